"""What a run is said to take of memory, against what its parts are by hand and what processes have taken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from minbert.display.progress import Display
from minbert.encoder.tensor_files import read_tensors
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import make_learner, prepare
from minbert.training import memory
from minbert.training.loop import TrainingLoop

LARGEST_FAULT = 0.2
PLAN = (
    "import sys; from minbert.recipe.recipe import load_recipe; from minbert.running.run import plan_recipe\n"
    "from minbert.display.console import terminal; from minbert.display.progress import Display\n"
    "print(plan_recipe(load_recipe(sys.argv[1]), Display(terminal(stderr=True))).peak_bytes)"
)


def test_a_graph_is_counted_once_and_until_it_is_freed() -> None:
    weight = torch.ones(1000, 1000, requires_grad=True)
    rows = torch.ones(10, 1000)

    def two_steps() -> None:
        for _ in range(2):
            hidden = (rows @ weight).exp()  # the product keeps its rows, exp what came of it
            (hidden * hidden).sum().backward()  # the same again

    assert memory._graph_bytes(two_steps, [weight]) == 2 * 10 * 1000 * 4


@pytest.fixture
def parts(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """What a run is said to take beside what is there already, its graph and its gradients."""
    monkeypatch.setattr(memory, "held_bytes", lambda device: 0)  # noqa: ARG005
    monkeypatch.setattr(memory, "peak_bytes", lambda device: 0)  # noqa: ARG005
    monkeypatch.setattr(memory, "stored_gradients", lambda parameters: [])  # noqa: ARG005
    measure = memory._graph_bytes

    def no_graph(*arguments: Any) -> int:
        assert measure(*arguments) > 0
        return 0

    monkeypatch.setattr(memory, "_graph_bytes", no_graph)

    def taken(**changes: Any) -> int:
        recipe = parse_recipe(two_tasks | changes, "test")
        prepared = prepare(recipe, quiet)
        loop = TrainingLoop(make_learner(recipe, prepared, quiet), prepared.dev, prepared.course, tmp_path, quiet)
        return memory.expected_peak(loop) - memory._CODE

    return taken


def test_each_part_counts(parts: Callable[..., int], tiny_encoder: Path) -> None:
    """In weights, all of which are trained: two moments, and the model read back."""
    weights = parts() / 3
    encoder = read_tensors(tiny_encoder / "model.safetensors").values()
    assert weights == pytest.approx(4 * sum(tensor.numel() for tensor in encoder), rel=0.05), "heads are small"
    heads = parts(training={"encoder": "frozen"})
    assert heads < 1.2 * weights, "no moments of the encoder"


def test_the_plan_is_near_what_a_run_takes(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    """Each in a process of its own, because the most that a process has held never falls."""
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(two_tasks))
    planned = subprocess.run([sys.executable, "-c", PLAN, file], capture_output=True, text=True, check=True)
    subprocess.run(
        [sys.executable, "-m", "minbert", "train", file, "--out", tmp_path / "run"], capture_output=True, check=True
    )
    taken = 1e6 * json.loads((tmp_path / "run/metrics.json").read_text())["peak_memory_mb"]
    assert int(planned.stdout) == pytest.approx(taken, rel=LARGEST_FAULT)
