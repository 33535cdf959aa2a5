"""Whoever asks a run that is not finished is told so, and which step's model answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from command_line import minbert
from minbert.display.progress import Display
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import parse_recipe
from minbert.run_folder.unfinished import unfinished
from minbert.running.evaluating import evaluate_run
from minbert.running.run import train_recipe
from minbert.tasks.metrics import METRICS
from minbert.training.checkpoint_folder import newest_state


@pytest.fixture
def stopped(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> Path:
    """A run that came to an end, and then lost what is written last."""
    two_tasks["training"] |= {"epochs": 1, "keep_best_of_tasks": True}
    train_recipe(parse_recipe(two_tasks, "test"), tmp_path / "run", False, quiet)
    for metrics in (tmp_path / "run").rglob("metrics.json"):
        metrics.unlink()
    return tmp_path / "run"


def test_the_note_names_the_step_of_the_weights(stopped: Path) -> None:
    state = newest_state(stopped)
    assert state.step == 6
    assert state.best is not None
    for folder, step in (
        (stopped, state.best.step),
        (stopped / "best/mood", state.best_of_task["mood"].step),
    ):
        of = f"step {step}" if step else "step 0, before training"
        told = f"{folder}: this run is not finished (it is at step 6); its model is the one it has kept, of {of}"
        assert unfinished(folder) == told
    shutil.rmtree(stopped / "checkpoints")
    assert "it is at step 0); its model is the one it has kept, of step 0, before" in str(unfinished(stopped))


def test_thresholds_that_are_not_chosen_yet_are_a_half_for_every_command(
    tmp_path: Path, tiny_encoder: Path, quiet: Display
) -> None:
    # Yes is rare in train and common in dev: below one half is far better there.
    texts = ["good film", "bad river", "dull rice", "the train"]
    for split, yes in (("train", 1), ("dev", 3)):
        rows = "".join(f"{text}\t{int(row < yes)}\n" for row, text in enumerate(texts))
        (tmp_path / f"{split}.tsv").write_text(f"text\tlabel\n{rows}")
    task = {"kind": "binary", "threshold": "dev", "metric": "f1", "text": "text", "label": "label"}
    tree = {
        "data": str(tmp_path),
        "encoder": {"name": str(tiny_encoder)},
        "tasks": {"rare": task | {"files": {"train": "train.tsv", "dev": "dev.tsv"}}},
        "training": {"epochs": 1, "head_start": "random"},
    }
    run = tmp_path / "run"
    train_recipe(parse_recipe(tree, "test"), run, False, quiet)
    chosen = MultitaskModel.from_pretrained(run).predict("rare", texts).values
    config = json.loads((run / "config.json").read_text())
    config["minbert"]["tasks"]["rare"]["threshold"] = "dev"
    (run / "config.json").write_text(json.dumps(config))
    note = f"{run}: thresholds are not chosen yet (a run chooses them on dev at its end), so 0.5 counts for: rare"
    answers = MultitaskModel.from_pretrained(run).predict("rare", texts).values
    labels, f1 = np.array([1.0, 1.0, 1.0, 0.0]), METRICS["f1"].of_rows
    assert f1(labels, answers) < f1(labels, chosen)
    assert note in minbert("predict", run, "good film").stderr
    assert note in minbert("evaluate", run).stdout
    assert evaluate_run(run, display=quiet).tasks["rare"]["f1"] == f1(labels, answers)


def test_a_finished_run_an_encoder_and_no_folder_need_no_note(tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "recipe.yaml").touch()
    (tmp_path / "metrics.json").touch()
    assert unfinished(tmp_path) is unfinished(tiny_encoder) is unfinished(tmp_path / "nowhere") is None


def test_every_command_that_takes_its_model_says_so(stopped: Path, tmp_path: Path, two_tasks: dict[str, Any]) -> None:
    note = f"{stopped}: this run is not finished"
    source = tmp_path / "data/mood-dev.tsv"
    predicted = minbert("predict", stopped, "--task", "mood", "good film")
    assert note in predicted.stderr
    assert note not in predicted.stdout
    assert note in minbert("encode", stopped, "--input", source, "--output", tmp_path / "v.npy").stderr
    assert note in minbert("evaluate", stopped).stdout
    two_tasks["encoder"] = {"name": str(stopped)}
    two_tasks["training"] = {"epochs": 1, "head_start": "random"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(two_tasks))
    assert note in minbert("train", tmp_path / "mine.yaml", "--dry-run").stdout
