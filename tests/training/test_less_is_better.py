"""A metric of which less is better chooses the lower score, everywhere."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from minbert.cli import tables
from minbert.comparing.compare import compare
from minbert.comparing.tables import sentences
from minbert.display.progress import Display
from minbert.evaluation.answers import read_answers, write_answers
from minbert.files.checksums import CHECKSUMS
from minbert.recipe.recipe import parse_recipe
from minbert.reporting.figures.learning import learning_curves
from minbert.reporting.records import read_records
from minbert.running.evaluating import evaluate_run
from minbert.running.run import train_recipe
from minbert.sweeping.plan import Configuration, Run
from minbert.sweeping.records import finished
from minbert.sweeping.results import Results, Row
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings
from minbert.together.averaging import choose_counts
from minbert.training.checkpoint import LoopState
from short_runs import trained

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")


@pytest.fixture
def by_error(two_tasks: dict[str, Any]) -> dict[str, Any]:
    """A recipe that keeps the model with the least error of its scores."""
    two_tasks["tasks"]["close"]["metric"] = "mae"
    two_tasks["training"]["select"] = "close"
    return two_tasks


def test_what_a_user_reads_says_that_less_is_better(by_error: dict[str, Any], tmp_path: Path) -> None:
    told = io.StringIO()
    display = Display(Console(file=told, width=200))
    del by_error["tasks"]["mood"]["files"]["test"]
    recipe = parse_recipe(by_error, "test")
    display.show(tables.summary(train_recipe(recipe, tmp_path / "run", False, display), recipe))
    display.show(tables.scores(evaluate_run(tmp_path / "run", None, "test", display), "test"))
    lines = told.getvalue().splitlines()
    steps = [line for line in lines if "  dev: " in line]
    assert steps and all(re.search(r"close \d\.\d{3} \(less is better\)", line) for line in steps)
    assert not any(re.search(r"mood \d\.\d{3} \(less", line) for line in steps)
    assert len([line for line in lines if "mae (less is better)" in line]) == 2
    assert not any("(less is better)" in line for line in lines if "pearson" in line)
    assert [line for line in lines if line.endswith("not in overall: mood")]


def test_the_kept_model_has_the_least_error(by_error: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    by_error["training"] |= {"keep_best_of_tasks": True, "head_start": "random"}  # so that training has much to do
    summary = train_recipe(parse_recipe(by_error, "test"), tmp_path / "run", False, quiet)
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    errors = [line["dev"]["close"]["mae"] for line in history]
    assert min(errors) < errors[0]
    best = history[int(np.argmin(errors))]["step"]
    assert summary.metrics["best_step"] == best
    assert summary.metrics["dev"]["close"]["mae"] == pytest.approx(min(errors), abs=1e-5)
    assert summary.metrics["best_of_task"]["close"] == {"score": min(errors), "step": best}
    overall = summary.metrics["dev"]
    counted = (overall["mood"]["accuracy"] + 1 - overall["close"]["mae"] / 5) / 2
    assert overall["overall"] == pytest.approx(counted)
    records = read_records(tmp_path / "run", [])
    assert records.score("close", "mae") == overall["close"]["mae"]
    figure = learning_curves(history, {"mood": "accuracy", "close": "mae"}, best)
    assert figure is not None
    [ring] = [line for line in figure.drawing.axes[3].lines if line.get_markerfacecolor() == "none"]
    assert ring.get_xdata() == [best]


def test_bests_are_noted_by_what_their_metric_means() -> None:
    state, metrics = LoopState(step=3), {"a": "accuracy", "b": "mae"}
    assert state.note_bests({"a": 0.5, "b": 0.5}, metrics, 0.5) == ["a", "b", "overall"]
    assert state.note_bests({"a": 0.4, "b": 0.4}, metrics, 0.4) == ["b"]
    assert state.note_bests({"a": 0.6, "b": 0.6}, metrics, 0.6) == ["a", "overall"]
    assert state.best_of_task["b"].score == 0.4


def test_a_comparison_calls_the_lower_error_better(by_error: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    first = trained(by_error, tmp_path / "first", quiet)
    second = trained(by_error, tmp_path / "second", quiet, seed=7, combination="pcgrad")
    random = np.random.default_rng(0)
    for folder, noise in ((first, 1.0), (second, 0.1)):
        answers = read_answers(folder, "close", "dev")
        close = answers.labels + noise * random.choice([-1, 1], len(answers))
        write_answers(folder, "close", "dev", type(answers)(answers.ids, answers.labels, Predictions(close, None, [])))
        mood = read_answers(first, "mood", "dev")
        write_answers(folder, "mood", "dev", mood)
        (folder / CHECKSUMS).unlink()  # they are of the answers before
    compared = compare([first, second])
    score = compared.of("second")[1]
    assert score.to_baseline is not None
    assert (score.metric, score.score) == ("mae", pytest.approx(0.1))
    assert score.to_baseline.difference == pytest.approx(-0.9)
    assert score.to_baseline.shown == 1
    assert "better on close by 0.900 to 0.900 and overall by 9.0 to 9.0 points" in sentences(compared)["second"][0]
    overall = compared.of("second")[2]
    mood_score = compared.of("second")[0].score
    assert overall.score == pytest.approx((mood_score + 1 - 0.1 / 5) / 2)
    assert overall.to_baseline is not None
    assert overall.to_baseline.difference == pytest.approx(0.09)
    [close] = [choice for choice in compared.choices if choice.task == "close"]
    assert (close.system, close.picked) == ("second", {"second": 1.0})


def test_a_sweep_ranks_the_lower_error_first(by_error: dict[str, Any]) -> None:
    recipe = parse_recipe(by_error, "test")
    rows = []
    for name, error in (("a", 0.4), ("b", 0.2), ("c", 0.3)):
        configuration = Configuration(name, {"seed": 1}, recipe)
        run = Run(name, configuration, 1)
        dev = {"close": {"mae": error}, "mood": {"accuracy": 0.5}, "overall": 0.5}
        metrics = {"dev": dev, "best_step": 1, "steps": 1, "train_seconds": 1.0}
        rows.append(Row(configuration, [run], [finished(run, metrics)]))
    rows.append(Row(Configuration("d", {"seed": 2}, recipe), [Run("d", rows[0].configuration, 2)], []))
    results = Results(recipe, ["seed"], rows)
    assert results.score == "close.mae"
    assert results.best is rows[1]
    assert [row.configuration.name for row in results.ranked()] == ["b", "c", "a", "d"]


def test_weights_of_an_ensemble_are_chosen_for_the_lower_error() -> None:
    task = TaskSettings.model_validate({"kind": "regression", "range": [0, 5], "metric": "mae"})
    labels = np.array([1.0, 2, 3, 4])
    near, far = (Predictions(labels + off, None, []) for off in (0.1, 1.0))
    assert choose_counts([far, near], labels, task)[0] == 0
