"""Whole runs: what the folder holds, and what a second run into it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.evaluation.baselines import baseline
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import Recipe, load_recipe, parse_recipe
from minbert.run_folder.folder import read_run
from minbert.running.evaluating import evaluate_run, text_rows
from minbert.running.prepare import check_recipe, resolve
from minbert.running.run import plan_recipe, train_recipe
from minbert.tasks.settings import TaskSettings


@pytest.fixture
def recipe(two_tasks: dict[str, Any]) -> Recipe:
    two_tasks["tasks"]["mood"]["output"] = {"file": "sst", "column": "Predicted_Sentiment"}
    return parse_recipe(two_tasks, "test")


def flat(scores: dict[str, Any]) -> dict[str, float]:
    """Return scores of scores as one mapping."""
    inner = {f"{task}.{name}": s for task, many in scores.items() if isinstance(many, dict) for name, s in many.items()}
    return inner | {name: score for name, score in scores.items() if not isinstance(score, dict)}


def test_a_run_folder_holds_what_the_documentation_says(recipe: Recipe, tmp_path: Path, quiet: Display) -> None:
    out = tmp_path / "run"
    summary = train_recipe(recipe, out, False, quiet)
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names >= {
        "recipe.yaml",
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "vocab.txt",
        "metrics.json",
        "history.jsonl",
        "checkpoints/last-12.safetensors",
        "predictions/sst-dev-output.csv",
        "predictions/sst-test-output.csv",
        "predictions/close-dev-output.csv",
        "predictions/close-test-output.csv",
    }
    assert not [name for name in names if "partial" in name]
    assert load_recipe(str(out / "recipe.yaml")) == resolve(recipe) == read_run(out)

    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["dev"]) == {"mood", "close", "overall", "overall_leaderboard"}
    assert set(metrics["dev"]["mood"]) == {"accuracy", "macro_f1"}
    assert set(metrics["dev"]["close"]) == {"pearson", "spearman"}
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    best = next(line for line in history if line["step"] == metrics["best_step"])
    assert flat(best["dev"]) == pytest.approx(flat(metrics["dev"]))
    assert metrics["before_training"] == history[0]["dev"]
    assert metrics["best_of_task"]["close"]["score"] == max(line["dev"]["close"]["pearson"] for line in history)
    assert metrics["seed"] == recipe.seed
    assert metrics["real_tokens_per_second"] > metrics["examples_per_second"] > 0
    assert summary.metrics == metrics

    lines = (out / "predictions/sst-dev-output.csv").read_text().splitlines(keepends=True)
    assert lines[0] == "id \t Predicted_Sentiment \n"
    model = MultitaskModel.from_pretrained(out)
    texts = [line.split("\t")[1] for line in (Path(recipe.data) / "mood-dev.tsv").read_text().splitlines()[1:]]
    predicted = model.predict("mood", texts).values
    assert lines[1:] == [f"mdev{n} , {int(value)} \n" for n, value in enumerate(predicted)]
    scores = (out / "predictions/close-test-output.csv").read_text().splitlines()
    assert scores[0] == "id \t Predicted "
    assert all(0 <= float(line.split(" , ")[1]) <= 5 for line in scores[1:])
    assert len(scores) == 6

    again = evaluate_run(out, None, "dev", quiet)
    assert flat(again.as_json()) == pytest.approx(flat(metrics["dev"]))


def test_a_second_run_into_the_same_folder(recipe: Recipe, tmp_path: Path, quiet: Display) -> None:
    out = tmp_path / "run"
    train_recipe(recipe, out, False, quiet)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="a finished run of this recipe"):
        train_recipe(recipe, out, False, quiet)
    other = recipe.model_copy(update={"seed": 1})
    for resume in (False, True):
        with pytest.raises(UserError, match="another recipe"):
            train_recipe(other, out, resume, quiet)
    summary = train_recipe(recipe, out, True, quiet)
    assert summary.metrics["best_step"] >= 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_folder_of_other_things_is_left_alone(recipe: Recipe, tmp_path: Path, quiet: Display) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        train_recipe(recipe, tmp_path, True, quiet)


@pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")
def test_the_seed_decides_everything(recipe: Recipe, tmp_path: Path, quiet: Display) -> None:
    runs = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_recipe(recipe.model_copy(update={"seed": seed}), tmp_path / name, False, quiet)
        runs[name] = (tmp_path / name / "model.safetensors").read_bytes()
    assert runs["a"] == runs["b"] != runs["c"]


def test_the_plan_counts_what_training_will_do(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    two_tasks["tasks"]["mood"] |= {"rows": 10, "batch_size": 5}
    recipe = parse_recipe(two_tasks, "test")
    plan = plan_recipe(recipe, quiet)
    summary = train_recipe(recipe, tmp_path / "run", False, quiet)
    assert plan.steps == summary.metrics["steps"] == 2 * 6
    assert (plan.tasks["mood"].rows, plan.tasks["mood"].examples) == (10, 60)
    assert plan.tasks["close"].examples == 48
    tokens = summary.metrics["real_tokens_per_second"] * summary.metrics["train_seconds"]
    assert plan.tokens == pytest.approx(tokens, rel=0.01)
    assert plan.seconds > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"select": "mod"}}, "did you mean 'mood'"),
        ({"schedule": {"method": {"name": "round_robin", "epoch": "closer"}}}, "did you mean 'close'"),
        ({"optimizer": {"warmup": 10_000}}, "optimizer.warmup"),
        ({"data": "/nowhere/at/all"}, "no such data folder"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, change: dict[str, Any], message: str
) -> None:
    out = tmp_path / "run"
    with pytest.raises(UserError, match=message):
        train_recipe(parse_recipe(two_tasks | change, "test"), out, False, quiet)
    assert not out.exists()


def test_a_missing_test_file_costs_only_its_predictions(recipe: Recipe, tmp_path: Path, quiet: Display) -> None:
    (Path(recipe.data) / "mood-test.tsv").unlink()
    train_recipe(recipe, tmp_path / "run", False, quiet)
    names = {path.name for path in (tmp_path / "run/predictions").iterdir()}
    assert names == {"sst-dev-output.csv", "close-dev-output.csv", "close-test-output.csv"}


def test_training_needs_a_dev_file(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    del two_tasks["tasks"]["close"]["files"]["dev"]
    with pytest.raises(UserError, match=r"tasks\.close\.files\.dev"):
        train_recipe(parse_recipe(two_tasks, "test"), tmp_path / "run", False, quiet)
    assert not (tmp_path / "run").exists()


def test_baselines() -> None:
    classes = TaskSettings.model_validate({"kind": "classification", "classes": ["a", "b", "c"]})
    got = baseline(classes, np.array([1.0, 1.0, 2.0]), np.array([1.0, 0.0, 1.0, 2.0]))
    assert got == ("majority (b)", 0.5)
    score = TaskSettings.model_validate({"kind": "regression", "range": [0, 5]})
    assert baseline(score, np.array([1.0, 4.0]), np.array([0.0, 1.0])) == ("mean", 0.0)


@pytest.mark.parametrize("combination", ["pcgrad", "gradnorm"])
def test_a_combination_that_a_frozen_encoder_refuses_leaves_no_folder(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, combination: str
) -> None:
    two_tasks["training"]["encoder"] = "frozen"
    out = tmp_path / "run"
    refused = parse_recipe(two_tasks | {"combination": combination}, "test")
    for check in (lambda: check_recipe(refused, quiet), lambda: train_recipe(refused, out, False, quiet)):
        with pytest.raises(UserError, match="a frozen encoder has none"):
            check()
    assert not out.exists()
    train_recipe(parse_recipe(two_tasks, "test"), out, False, quiet)  # the corrected recipe goes to the same place


@pytest.mark.parametrize("loss", ["mse", "cosent"])
def test_a_frozen_encoder_with_nothing_to_train_is_refused(
    two_tasks: dict[str, Any], quiet: Display, loss: str
) -> None:
    two_tasks["training"]["encoder"] = "frozen"
    two_tasks["tasks"]["close"] |= {"head": "cosine", "loss": loss}
    plan_recipe(parse_recipe(two_tasks, "test"), quiet)  # the other task's head learns
    del two_tasks["tasks"]["mood"]
    with pytest.raises(UserError, match="'frozen' leaves nothing to train"):
        plan_recipe(parse_recipe(two_tasks, "test"), quiet)


def test_columns_of_texts_are_those_of_the_recipe(recipe: Recipe, tmp_path: Path) -> None:
    source = tmp_path / "rows.tsv"
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert text_rows(str(tmp_path), ["close"], source, []).columns == ["a", "b"]
    with pytest.raises(UserError, match=r"has no task 'cloze' \(did you mean 'close'"):
        text_rows(str(tmp_path), ["cloze"], source, [])
    with pytest.raises(UserError, match=r"'close' from a, b, and 'mood' from text\. Name the columns"):
        text_rows(str(tmp_path), ["close", "mood"], source, [])
    assert text_rows(str(tmp_path), ["close", "mood"], source, ["words"]).columns == ["words"]


def test_a_file_with_a_text_a_line_needs_no_columns(recipe: Recipe, tmp_path: Path) -> None:
    source = tmp_path / "rows.txt"
    source.write_text("good\nbad\n")
    assert [row.texts for row in text_rows(str(tmp_path), ["mood"], source, [])] == [("good",), ("bad",)]
    with pytest.raises(UserError, match=r"has no recipe\.yaml that names columns"):
        text_rows(str(tmp_path), ["mood"], tmp_path / "rows.tsv", [])
    mood = recipe.tasks["mood"].model_copy(update={"header": ["id", "text", "label"]})
    (tmp_path / "recipe.yaml").write_text(recipe.model_copy(update={"tasks": {"mood": mood}}).to_yaml())
    assert text_rows(str(tmp_path), ["mood"], tmp_path / "rows.tsv", []).header
    assert not text_rows(str(tmp_path), ["mood"], source, []).header
