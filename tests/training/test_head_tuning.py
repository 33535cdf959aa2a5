"""Heads tuned alone after training: what moves, what is kept, and what a stop costs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from command_line import press_ctrl_c
from minbert.display.progress import Display
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.running.evaluating import evaluate_run
from minbert.running.run import train_recipe
from minbert.training import head_tuning
from minbert.training.checkpoint_folder import newest_checkpoint
from minbert.training.head_tuning import HEADS
from minbert.training.interrupt import Interrupted
from minbert.training.loop import TrainingLoop

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")


@pytest.fixture
def recipe(two_tasks: dict[str, Any]) -> Recipe:
    two_tasks["training"] = {"epochs": 1, "head_start": "random", "precision": "fp32", "head_epochs": 2}
    two_tasks["schedule"]["method"] = {"name": "round_robin", "epoch": 2}
    two_tasks["optimizer"] |= {"head_learning_rate": 0.02, "warmup": 2, "ema_decay": 0.5}
    return parse_recipe(two_tasks, "test")


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return dict(MultitaskModel.from_pretrained(folder).state_dict())


def test_heads_move_alone_and_only_where_their_task_gains(recipe: Recipe, tmp_path: Path, quiet: Display) -> None:
    plain = recipe.model_copy(update={"training": recipe.training.model_copy(update={"head_epochs": 0})})
    before = train_recipe(plain, tmp_path / "plain", False, quiet).metrics
    after = train_recipe(recipe, tmp_path / "tuned", False, quiet).metrics
    assert "head_tuning" not in before
    assert not (tmp_path / "plain" / HEADS).exists()
    old, new = weights_of(tmp_path / "plain"), weights_of(tmp_path / "tuned")
    gained = set()
    for task, report in after["head_tuning"].items():
        assert report["before"] == pytest.approx(before["dev"][task][report["metric"]])
        assert report["after"] == pytest.approx(after["dev"][task][report["metric"]])
        assert report["after"] >= report["before"]
        if report["after"] > report["before"]:
            gained.add(task)
    moved = {name.split(".")[1] for name in old if not torch.equal(old[name], new[name])}
    assert moved == gained
    assert gained  # else this test tests nothing
    assert {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])} == {"heads"}
    assert evaluate_run(tmp_path / "tuned", None, "dev", quiet).as_json() == after["dev"]
    assert not (tmp_path / "tuned/checkpoints/head_tuning").exists()


def test_a_head_that_gets_worse_stays_as_it_was(
    two_tasks: dict[str, Any], recipe: Recipe, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tuned heads that always answer alike score no better than trained ones."""
    two_tasks["tasks"]["close"]["head"] = "cosine_linear"  # judges equal texts well from the start
    recipe = parse_recipe(two_tasks, "test")
    take = TrainingLoop._step

    def spoil(loop: TrainingLoop, step: Any) -> None:
        take(loop, step)
        if loop.course.settings.encoder == "frozen":
            for parameter in loop.model.heads.parameters():
                parameter.data.fill_(-1e3 if parameter.dim() == 1 else 0.0)  # every score below the range

    monkeypatch.setattr(TrainingLoop, "_step", spoil)
    tuned: list[dict[str, torch.Tensor]] = []
    tune = head_tuning.tune_heads

    def watch(loop: TrainingLoop) -> dict[str, Any]:
        tuned.append(weights_of(loop.folder))
        report = tune(loop)
        tuned.append(weights_of(loop.folder))
        return report

    monkeypatch.setattr("minbert.running.run.tune_heads", watch)
    report = train_recipe(recipe, tmp_path / "run", False, quiet).metrics["head_tuning"]
    assert report["close"]["before"] == report["close"]["after"] > 0
    before, after = tuned
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("heads.mood"))


def test_cut_short_it_starts_anew_and_done_it_is_not_done_again(
    recipe: Recipe, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole"
    train_recipe(recipe, whole, False, quiet)
    cut = tmp_path / "cut"
    take = TrainingLoop._step

    def step_and_signal(loop: TrainingLoop, step: Any) -> None:
        take(loop, step)
        if loop.course.settings.encoder == "frozen" and loop.state.step == 3:
            press_ctrl_c()

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_step", step_and_signal)
        with pytest.raises(Interrupted):
            train_recipe(recipe, cut, False, quiet)
    assert newest_checkpoint(cut)
    assert not (cut / HEADS).exists()
    assert not (cut / "checkpoints/head_tuning").exists()
    torch.manual_seed(5)  # whatever was drawn before must not matter
    train_recipe(recipe, cut, True, quiet)

    killed = tmp_path / "killed"  # after the heads were written, before the metrics were
    shutil.copytree(whole, killed)
    (killed / "metrics.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(head_tuning, "_tune_head", None)
        train_recipe(recipe, killed, True, quiet)
    reports = [json.loads((folder / "metrics.json").read_text())["head_tuning"] for folder in (whole, cut, killed)]
    assert reports[0] == reports[1] == reports[2]
    for folder in (cut, killed):
        assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes(), folder


def test_a_head_without_weights_is_left_out(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    two_tasks["tasks"]["close"]["head"] = "cosine"
    two_tasks["training"] = {
        "epochs": 1,
        "head_start": "random",
        "precision": "fp32",
        "head_epochs": 1,
        "encoder": "frozen",
    }
    report = train_recipe(parse_recipe(two_tasks, "test"), tmp_path / "run", False, quiet).metrics["head_tuning"]
    assert list(report) == ["mood"]
