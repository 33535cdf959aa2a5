"""A step on several ranks is the step of one process: every method, every combination, uneven rows, any shards."""

from __future__ import annotations

import io
import json
import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from torch import Tensor

from distributed import METHODS, changed, differences, measured, measured_pretraining
from many_ranks import Team, team
from minbert.display.progress import Display
from minbert.machine.ranks import ranks
from minbert.multitask.combination import Combination
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import make_learner, prepare
from minbert.tracking.tensorboard import scalars
from minbert.training.interrupt import Interrupted
from minbert.training.loop import TrainingLoop
from small_models import WORDS

SMOOTH = {"name": "linear", "features": ["u", "v", "u*v"]}
"""No |u-v|: for two equal texts its slope is the sign of a rounding error."""


@pytest.fixture(scope="module")
def teams() -> Iterator[dict[int, Team]]:
    with team(2) as two, team(3) as three:
        yield {2: two, 3: three}


@pytest.fixture(params=[2, 3])
def some_ranks(request: pytest.FixtureRequest, teams: dict[int, Team]) -> Team:
    return teams[request.param]


@pytest.fixture
def tree(two_tasks: dict[str, Any]) -> dict[str, Any]:
    """A recipe whose last step has uneven rows, and whose optimizer makes no whole step of a rounding error."""
    two_tasks["tasks"]["close"]["head"] = SMOOTH
    two_tasks["schedule"]["batch_size"] = 7
    two_tasks["optimizer"] = {"learning_rate": 1e-3, "epsilon": 1e-3}
    return two_tasks


def assert_equal(ranks: Team, tree: dict[str, Any], shards: int, most: float, steps: int = 0) -> None:
    alone = measured(tree, shards, steps)
    for found in ranks.run(measured, tree, len(ranks.pipes), steps):
        for part, apart in differences(found, alone).items():
            assert apart <= (10 * most if part in ("gramian", "weights") else most), (part, apart)


@pytest.mark.parametrize("some_ranks", [3], indirect=True)
@pytest.mark.parametrize("method", METHODS)
def test_every_method(some_ranks: Team, tree: dict[str, Any], method: str) -> None:
    assert_equal(some_ranks, changed(tree, METHODS[method]), len(some_ranks.pipes), 1e-6, steps=3)


@pytest.mark.parametrize("some_ranks", [2], indirect=True)
@pytest.mark.parametrize("combination", sorted(Combination.members))
def test_every_combination(some_ranks: Team, tree: dict[str, Any], combination: str) -> None:
    method = {**METHODS["MNRL"], "classification": {"regularization": "r_drop"}}
    assert_equal(some_ranks, changed(tree, method, combination), len(some_ranks.pipes), 1e-6, steps=2)


@pytest.mark.parametrize("some_ranks", [3], indirect=True)
@pytest.mark.parametrize("method", METHODS)
def test_without_dropout_the_number_of_shards_is_nothing(some_ranks: Team, tree: dict[str, Any], method: str) -> None:
    if method in ("R-Drop", "SMART", "MNRL with SMART"):
        pytest.skip("it draws what it compares")
    tree["encoder"] |= {"hidden_dropout": 0.0, "attention_dropout": 0.0}
    tree["tasks"]["close"]["head"] = SMOOTH | {"dropout": 0.0}
    tree["tasks"]["mood"]["head"] = {"name": "linear", "dropout": 0.0}
    assert_equal(some_ranks, changed(tree, METHODS[method]), 1, 1e-5)


@pytest.mark.parametrize("rows", [1, 2])
def test_ranks_without_rows_take_part(some_ranks: Team, tree: dict[str, Any], rows: int) -> None:
    tree["schedule"]["batch_size"] = rows
    for method in ("cross entropy", "MNRL", "Pearson", "SMART"):
        assert_equal(some_ranks, changed(tree, METHODS[method], "pcgrad"), len(some_ranks.pipes), 1e-6, steps=1)


def test_masked_language_modelling(some_ranks: Team, tiny_encoder: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, size=random.integers(3, 12))) for _ in range(60)]
    (tmp_path / "plain.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tree = {
        "data": str(tmp_path),
        "encoder": {"name": str(tiny_encoder)},
        "corpora": {"plain": {"files": "plain.txt"}},
        "held_out": {"share": 0.2},
        "optimizer": {"learning_rate": 1e-3, "epsilon": 1e-3},
        "training": {"batch_size": 7, "tokens_per_microbatch": 20, "precision": "fp32"},
    }
    alone = measured_pretraining(tree, len(some_ranks.pipes), 2)
    for found in some_ranks.run(measured_pretraining, tree, len(some_ranks.pipes), 2):
        apart = differences(found, alone)
        assert apart["losses"] <= 1e-6
        assert apart["gradient"] <= 1e-6
        assert apart["weights"] <= 1e-5


def trained(tree: dict[str, Any], folder: str, stop_at: int | None, resume: bool) -> dict[str, Tensor]:
    """Train in ``folder``; the last rank alone is asked to stop after so many steps. Return the weights."""
    recipe = parse_recipe(tree, "test")
    display = Display(Console(file=io.StringIO()))
    prepared = prepare(recipe, display)
    loop = TrainingLoop(make_learner(recipe, prepared, display), prepared.dev, prepared.course, Path(folder), display)
    take = loop._step

    def step_and_stop(rows: Any) -> None:
        if loop.state.step + 1 == stop_at and ranks().rank == ranks().count - 1:
            signal.raise_signal(signal.SIGTERM)
        take(rows)

    loop._step = step_and_stop  # type: ignore[method-assign]
    try:
        loop.run(resume)
    except Interrupted:
        assert loop.state.step == stop_at
    else:
        assert stop_at is None
    return {f"weights.{name}": tensor.detach().clone() for name, tensor in loop.model.named_parameters()}


@pytest.mark.parametrize("begun_on", [1, 3])
def test_a_run_goes_on_with_any_number_of_ranks(
    tree: dict[str, Any], tmp_path: Path, teams: dict[int, Team], begun_on: int
) -> None:
    tree["tasks"]["mood"]["regularization"] = ["r_drop", "mbpp"]
    tree = changed(tree, METHODS["MNRL"], "gradnorm")
    tree["training"] |= {"epochs": 2, "evaluate_every": 2}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    of = {1: lambda *given: [trained(*given)], 2: partial(teams[2].run, trained), 3: partial(teams[3].run, trained)}
    expected = of[begun_on](tree, str(whole), None, False)[0]
    of[begun_on](tree, str(cut), 3, False)
    for now in (1, 2, 3):
        there = tmp_path / str(now)
        shutil.copytree(cut, there)
        for found in of[now](tree, str(there), None, True):
            [apart] = differences(found, expected).values()
            assert apart <= (0 if now == begun_on else 1e-5)
        lines = [
            [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
            for folder in (there, whole)
        ]
        for ours, wanted in zip(*lines, strict=True):
            assert flat(ours) == pytest.approx(flat(wanted), rel=1e-4, abs=1e-6)


def flat(line: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a line of history by name, without its time."""
    return {name: value for name, value in scalars(line).items() if not name.startswith("time/")}
