"""The models that were best for each task: which weights they are, that they serve like runs, and what they cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.evaluation.answers import read_answers
from minbert.files import link_or_copy, write_text
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.run_folder.folder import drop_weights
from minbert.running.evaluating import evaluate_run
from minbert.running.run import train_recipe
from minbert.together.members import find_members, members_of_tasks
from minbert.training.loop import TrainingLoop
from minbert.training.scoring import DevScores

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")

MOOD = {0: 0.1, 3: 0.9, 6: 0.4, 9: 0.9, 12: 0.5}
CLOSE = {0: 0.1, 3: -0.5, 6: 0.5, 9: 0.2, 12: 0.3}
BEST_STEPS = {"mood": 3, "close": 6, "overall": 9}
"""By these scores; a tie is the earlier step's."""


@pytest.fixture
def recipe(two_tasks: dict[str, Any]) -> Recipe:
    two_tasks["training"]["keep_best_of_tasks"] = True
    two_tasks["optimizer"]["ema_decay"] = 0.7
    return parse_recipe(two_tasks, "test")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> dict[int, dict[str, torch.Tensor]]:
    """Let dev say what MOOD and CLOSE say; return what the model's weights were at every evaluation."""
    seen: dict[int, dict[str, torch.Tensor]] = {}

    def scores(loop: TrainingLoop) -> DevScores:
        step = loop.state.step
        seen[step] = {name: tensor.clone() for name, tensor in loop.model.state_dict().items()}
        mood, close = MOOD[step], CLOSE[step]
        tasks = {
            "mood": {"accuracy": mood, "macro_f1": 1 - mood},  # the task's own metric decides, not its other one
            "close": {"pearson": close, "spearman": -close},
        }
        overall = {"overall": (mood + close) / 2, "overall_leaderboard": 0.5}
        return DevScores(tasks, {"mood": mood, "close": close}, overall)

    monkeypatch.setattr(TrainingLoop, "_dev_scores", scores)
    return seen


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return dict(MultitaskModel.from_pretrained(folder).state_dict())


def assert_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_folder_holds_the_averaged_weights_of_its_best_step(
    recipe: Recipe, tmp_path: Path, quiet: Display, scripted: dict[int, dict[str, torch.Tensor]]
) -> None:
    out = tmp_path / "run"
    metrics = train_recipe(recipe, out, False, quiet).metrics
    assert {path.name for path in (out / "best").iterdir()} == set(BEST_STEPS)
    for name, step in BEST_STEPS.items():
        assert_equal(weights_of(out / "best" / name), scripted[step])
        told = json.loads((out / "best" / name / "metrics.json").read_text())
        assert (told["best_of"], told["best_step"]) == (name, step)
    assert_equal(weights_of(out), scripted[9])
    assert metrics["best_of_task"] == {"mood": {"score": 0.9, "step": 3}, "close": {"score": 0.5, "step": 6}}
    assert metrics["best_overall"] == {"score": 0.55, "step": 9}
    kept, overall = (folder / "model.safetensors" for folder in (out, out / "best/overall"))
    assert kept.samefile(overall), "one file on disk is enough"


def test_a_kept_model_is_what_any_run_is(recipe: Recipe, tmp_path: Path, quiet: Display) -> None:
    from transformers import AutoModel, AutoTokenizer

    out = tmp_path / "run"
    train_recipe(recipe, out, False, quiet)
    folders = {name: out / "best" / name for name in BEST_STEPS}
    for name, folder in folders.items():
        told = json.loads((folder / "metrics.json").read_text())
        assert evaluate_run(folder, None, "dev", quiet).as_json() == told["dev"], name
        model = MultitaskModel.from_pretrained(folder)
        answers = read_answers(folder, "mood", "dev")
        lines = (Path(str(recipe.data)) / "mood-dev.tsv").read_text().splitlines()[1:]
        predicted = model.predict("mood", [line.split("\t")[1] for line in lines])
        np.testing.assert_array_equal(answers.predictions.values, predicted.values)
        assert (folder / "predictions/close-test-output.csv").is_file()
        encoder = AutoModel.from_pretrained(folder).eval()
        inputs = AutoTokenizer.from_pretrained(folder)("good film", return_tensors="pt")
        theirs = encoder(**inputs).last_hidden_state.mean(1).detach().numpy()
        np.testing.assert_allclose(model.encode(["good film"]), theirs, atol=1e-5)
    members = find_members([out, *folders.values()])
    assert {name: len(by_task) for name, by_task in members_of_tasks(members).items()} == {"mood": 4, "close": 4}
    with pytest.raises(UserError, match="a model that another run has kept"):
        train_recipe(recipe, folders["mood"], True, quiet)

    drop_weights(out)
    assert not list(out.rglob("*.safetensors"))
    assert (folders["mood"] / "metrics.json").is_file()


def test_a_run_killed_between_checkpoints_keeps_the_same_models(
    recipe: Recipe,
    tmp_path: Path,
    quiet: Display,
    monkeypatch: pytest.MonkeyPatch,
    scripted: dict[int, dict[str, torch.Tensor]],
) -> None:
    train_recipe(recipe, tmp_path / "whole/run", False, quiet)

    class KilledError(Exception):
        pass

    save = TrainingLoop._checkpoint

    def save_until_step_six(loop: TrainingLoop) -> None:
        if loop.state.step >= 6:
            raise KilledError
        save(loop)

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(TrainingLoop, "_checkpoint", save_until_step_six)
        train_recipe(recipe, tmp_path / "cut/run", False, quiet)
    assert_equal(weights_of(tmp_path / "cut/run/best/close"), scripted[6])  # ahead of the checkpoint, and loadable
    train_recipe(recipe, tmp_path / "cut/run", True, quiet)
    for name in BEST_STEPS:
        whole, cut = (files_of(tmp_path / run / "run/best" / name) for run in ("whole", "cut"))
        for files in (whole, cut):
            files["metrics.json"] = b""  # holds how long it took
        assert whole == cut, name


def test_none_are_kept_unasked(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    train_recipe(parse_recipe(two_tasks, "test"), tmp_path / "plain", False, quiet)
    assert not (tmp_path / "plain/best").exists()


def test_heads_tuned_after_training_leave_them_as_they_were(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    two_tasks["training"] |= {"keep_best_of_tasks": True, "epochs": 1, "evaluate_every": 6}
    two_tasks["optimizer"]["head_learning_rate"] = 0.02
    before, after = tmp_path / "before", tmp_path / "after"
    train_recipe(parse_recipe(two_tasks, "test"), before, False, quiet)
    two_tasks["training"]["head_epochs"] = 3
    tuned = train_recipe(parse_recipe(two_tasks, "test"), after, False, quiet).metrics["head_tuning"]
    assert any(head["after"] > head["before"] for head in tuned.values())
    assert (after / "model.safetensors").read_bytes() != (before / "model.safetensors").read_bytes()
    for name in BEST_STEPS:
        kept, plain = (files_of(run / "best" / name) for run in (after, before))
        assert kept["model.safetensors"] == plain["model.safetensors"]
        assert kept["predictions/mood-dev-output.csv"] == plain["predictions/mood-dev-output.csv"]


def test_a_link_is_not_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (tmp_path / name for name in ("first", "deep/second", "third"))
    write_text(first, "one")
    link_or_copy(first, second)
    assert second.samefile(first)
    link_or_copy(first, second)  # the same file already
    write_text(first, "two")
    assert second.read_text() == "one"
    link_or_copy(first, second)
    assert second.read_text() == "two"

    def refuse(*_: Any) -> None:
        raise OSError("this file system has no links")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    link_or_copy(second, third)
    assert third.read_text() == "two"
    assert not third.samefile(second)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "first", "third"]
