"""Runs that keep their last model, and runs that have no dev rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from command_line import minbert
from laws import each
from minbert.comparing.compare import compare
from minbert.display.progress import Display
from minbert.encoder.tensor_files import read_tensors
from minbert.errors import UserError
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import parse_recipe
from minbert.running.evaluating import evaluate_run
from minbert.running.prepare import make_learner, prepare
from minbert.running.run import plan_recipe, train_recipe
from minbert.together.soup import make_soup
from minbert.training.head_start import start_heads

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")


@pytest.fixture
def without_dev(two_tasks: dict[str, Any]) -> dict[str, Any]:
    for task in two_tasks["tasks"].values():
        del task["files"]["dev"]
    two_tasks["training"] |= {"keep": "last"}
    return two_tasks


@pytest.fixture
def run(without_dev: dict[str, Any], tmp_path: Path, quiet: Display) -> Path:
    train_recipe(parse_recipe(without_dev, "test"), tmp_path / "run", False, quiet)
    return tmp_path / "run"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_last_model_is_kept_though_an_earlier_one_was_better(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    """With so high a rate the last model is worse on dev than an earlier one."""
    two_tasks["optimizer"]["learning_rate"] = 0.3
    kept = {}
    for keep in ("best", "last"):
        two_tasks["training"]["keep"] = keep
        kept[keep] = train_recipe(parse_recipe(two_tasks, "test"), tmp_path / keep, False, quiet).metrics
    assert kept["best"]["best_step"] < kept["last"]["best_step"] == kept["last"]["steps"]
    [*_, last] = lines(tmp_path / "last" / "history.jsonl")
    assert kept["last"]["dev"]["mood"] == last["dev"]["mood"]
    checkpoint = tmp_path / "last" / "checkpoints" / f"last-{kept['last']['steps']}.safetensors"
    state, model = read_tensors(checkpoint), read_tensors(tmp_path / "last" / "model.safetensors")
    assert torch.equal(state["model.heads.mood.linear.weight"], model["heads.mood.linear.weight"])


def test_a_run_without_dev_rows_is_scored_once_it_meets_labelled_rows(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["dev"], metrics["baselines"], metrics["best_step"]) == ({}, {}, metrics["steps"])
    assert [line["step"] for line in lines(run / "history.jsonl")] == [0, metrics["steps"]]
    assert sorted(path.name for path in run.rglob("*-output.csv")) == ["close-test-output.csv", "mood-test-output.csv"]
    assert "None are known" in (run / "README.md").read_text(encoding="utf-8")
    assert set(evaluate_run(run, split="test").tasks) == {"mood", "close"}
    assert len(MultitaskModel.from_pretrained(run).predict("mood", ["a text"]).names) == 1


def test_rows_that_came_later_are_scored_by_their_name(run: Path, without_dev: dict[str, Any]) -> None:
    later = without_dev["tasks"]["mood"]["files"]["test"]
    settings = [f"tasks.mood.files.dev={later}", "tasks.close=null"]
    assert (
        evaluate_run(run, split="dev", settings=settings).tasks["mood"] == evaluate_run(run, split="test").tasks["mood"]
    )
    with pytest.raises(UserError, match=r"tasks\.mod: there is no such task \(did you mean 'mood'\?\)"):
        evaluate_run(run, split="dev", settings=[f"tasks.mod.files.dev={later}"])


def test_it_goes_on_where_it_was_and_is_summed_up(without_dev: dict[str, Any], run: Path, quiet: Display) -> None:
    recipe = parse_recipe(without_dev, "test")
    before = (run / "model.safetensors").read_bytes()
    assert train_recipe(recipe, run, True, quiet).before == {}
    (run / "metrics.json").unlink()
    train_recipe(recipe, run, True, quiet)
    assert (run / "model.safetensors").read_bytes() == before
    assert plan_recipe(recipe, quiet).evaluations == 0


def test_the_commands_say_that_nothing_was_scored(without_dev: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(without_dev), encoding="utf-8")
    done = minbert("train", tmp_path / "recipe.yaml", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "No rows were kept apart to score the model on." in done.stdout
    assert "mood: loss" in done.stdout
    assert "epoch 0.00" not in done.stdout  # nothing was learnt or scored
    assert f"minbert evaluate {tmp_path / 'run'} --split test" in done.stdout
    done = minbert("evaluate", tmp_path / "run")
    assert done.returncode == 2
    told = (
        "names no dev file for any task. Name one: --set tasks.close.files.dev=FILE. For its test rows: --split test."
    )
    assert told in done.stderr
    done = minbert("sweep", tmp_path / "recipe.yaml", "--grid", "training.epochs=1,2", "--out", tmp_path / "sweep")
    assert (done.returncode, "a sweep compares dev scores" in done.stderr) == (2, True)
    done = minbert("report", tmp_path / "run", "--out", tmp_path / "report.html")
    assert done.returncode == 0, done.stderr
    assert "; no rows were scored." in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_soup_needs_dev_rows(run: Path, tmp_path: Path, quiet: Display) -> None:
    shutil.copytree(run, tmp_path / "other")
    with pytest.raises(UserError, match="was trained without dev rows of task 'mood'"):
        make_soup([run, tmp_path / "other"], tmp_path / "soup", None, quiet)
    with pytest.raises(UserError, match="was trained without dev rows of task 'mood'"):
        compare([run])


@each(
    ("changes", "message"),
    [
        ({"training": {"keep": "best"}}, r"tasks\.mood\.files\.dev: training needs it, or .* or training\.keep: last"),
        ({"training": {"head_epochs": 1}}, r"training\.head_epochs: it needs dev rows"),
        ({"training": {"keep_best_of_tasks": True}}, r"training\.keep_best_of_tasks: it needs dev rows"),
        ({"mood": {"dev_rows": 3}}, r"tasks\.mood\.dev_rows: it needs dev rows"),
        ({"mood": {"held_out": "20%"}}, r"tasks\.close\.files\.dev: other tasks have dev rows"),
    ],
)
def test_what_needs_dev_rows_is_refused(
    without_dev: dict[str, Any], quiet: Display, changes: dict[str, Any], message: str
) -> None:
    tree = {**without_dev, "training": without_dev["training"] | changes.get("training", {})}
    tree["tasks"] = {**tree["tasks"], "mood": tree["tasks"]["mood"] | changes.get("mood", {})}
    with pytest.raises(UserError, match=message):
        prepare(parse_recipe(tree, "test"), quiet)


@each(
    ("training", "optimizer", "message"),
    [
        ({"keep": "last", "patience": 2}, {}, "'patience' waits for a better model"),
        ({"head_end": "probe"}, {}, "set 'keep: last', too"),
        ({"head_end": "probe", "keep": "last", "head_epochs": 1}, {}, "'head_epochs' trains them"),
        ({"head_end": "probe", "keep": "last"}, {"ema_decay": 0.9}, "solves heads over the last weights"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    two_tasks: dict[str, Any], training: dict[str, Any], optimizer: dict[str, Any], message: str
) -> None:
    tree = {**two_tasks, "training": two_tasks["training"] | training, "optimizer": optimizer}
    with pytest.raises(UserError, match=message):
        parse_recipe(tree, "test")


def test_heads_solved_at_the_end_are_those_of_the_trained_encoder(
    without_dev: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    without_dev["training"] |= {"head_end": "probe"}
    recipe, run = parse_recipe(without_dev, "test"), tmp_path / "run"
    train_recipe(recipe, run, False, quiet)
    kept = read_tensors(run / "model.safetensors")
    prepared = prepare(recipe, quiet)
    prepared.model.load_state_dict(MultitaskModel.from_pretrained(run).state_dict())
    for head in prepared.model.heads.parameters():
        torch.nn.init.zeros_(head)
    start_heads(make_learner(recipe, prepared, quiet), recipe.seed, quiet)
    for name, solved in prepared.model.heads.state_dict().items():
        torch.testing.assert_close(kept[f"heads.{name}"], solved)
    assert "Then its heads were solved once more" in (run / "README.md").read_text(encoding="utf-8")

    for lost in ("metrics.json", "model.safetensors"):  # as if it had stopped before the heads were solved
        (run / lost).unlink()
    train_recipe(recipe, run, True, quiet)
    again = read_tensors(run / "model.safetensors")
    assert all(torch.equal(again[name], kept[name]) for name in kept)
