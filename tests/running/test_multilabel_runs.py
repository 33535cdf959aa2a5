"""Runs whose rows have several classes, from files to comparisons, and thresholds that are chosen on dev."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from command_line import minbert
from minbert.display.progress import Display
from minbert.evaluation.answers import read_answers
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import parse_recipe
from minbert.running.evaluating import evaluate_run
from minbert.running.run import train_recipe
from minbert.tasks.metrics import METRICS
from minbert.together.ensemble import make_ensemble
from minbert.together.soup import make_soup

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")

CLASSES = ["good", "bad", "cold"]
WORDS = ["film", "rice", "river", *CLASSES]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> dict[str, Any]:
    """A recipe over texts whose classes are words in them, pairs of such texts, and a rare yes."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(3)
    for split, rows in (("train", 48), ("dev", 24), ("test", 6)):
        lines = ["id\ttext\tother\tlabel\tyes"]
        for row in range(rows):
            words = [random.choice(WORDS, random.integers(1, 5)).tolist() for _ in range(2)]
            label = "|".join(name for name in CLASSES if name in words[0])
            lines.append(f"r{row}\t{' '.join(words[0])}\t{' '.join(words[1])}\t{label}\t{int('cold' in words[0])}")
        (folder / f"rows-{split}.tsv").write_text("\n".join(lines) + "\n")
    files = {split: f"rows-{split}.tsv" for split in ("train", "dev", "test")}
    several = {"kind": "multilabel", "classes": CLASSES, "labels_separator": "|", "label": "label"}
    common = {"files": files, "id": "id", "text": "text"}
    return {
        "data": str(folder),
        "encoder": {"name": str(tiny_encoder)},
        "tasks": {
            "words": {**several, **common, "thresholds": "dev", "metric": "macro_f1", "regularization": "r_drop"},
            "both": {**several, **common, "text": ["text", "other"], "pair": "cross", "pos_weight": "balanced"},
            "cold": {"kind": "binary", **common, "label": "yes", "threshold": "dev", "metric": "mcc"},
        },
        "schedule": {"batch_size": 8},
        "optimizer": {"learning_rate": 3e-3},
        "training": {"epochs": 3, "head_start": "random", "precision": "fp32", "keep_best_of_tasks": True},
    }


def train(tree: dict[str, Any], out: Path, quiet: Display, **changes: Any) -> Path:
    train_recipe(parse_recipe({**tree, **changes}, "test"), out, False, quiet)
    return out


@pytest.fixture(scope="module")
def runs(tree: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The recipe with two seeds and two learning rates."""
    from rich.console import Console

    quiet = Display(Console(file=io.StringIO()))
    folder = tmp_path_factory.mktemp("runs")
    changes = [{"seed": seed, "optimizer": {"learning_rate": seed * 2e-3}} for seed in (1, 2)]
    return [train(tree, folder / f"run-{change['seed']}", quiet, **change) for change in changes]


def metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return found


def test_thresholds_are_chosen_on_dev_and_stay_with_the_model(runs: list[Path], quiet: Display) -> None:
    run, written = runs[0], metrics(runs[0])
    model = MultitaskModel.from_pretrained(run)
    thresholds = model.tasks["words"].kind.thresholds  # type: ignore[attr-defined]
    assert list(thresholds) == CLASSES
    assert model.tasks["both"].kind.thresholds == 0.5  # type: ignore[attr-defined]
    assert isinstance(model.tasks["cold"].kind.threshold, float)  # type: ignore[attr-defined]
    again = evaluate_run(run, None, "dev", quiet)
    for task in ("words", "both", "cold"):
        assert again.tasks[task] == pytest.approx(written["dev"][task])
    answers = read_answers(run, "words", "dev")
    said = answers.predictions
    assert said.probabilities is not None
    np.testing.assert_array_equal(said.values, said.probabilities >= np.array([*thresholds.values()]))
    score = METRICS["macro_f1"].of_rows
    assert written["dev"]["words"]["macro_f1"] == pytest.approx(score(answers.labels, said.values))
    at_half = score(answers.labels, (said.probabilities >= 0.5).astype(float))
    assert written["dev"]["words"]["macro_f1"] >= at_half
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    kept = next(line for line in history if line["step"] == written["best_step"])
    assert kept["dev"]["words"] == pytest.approx(written["dev"]["words"])
    assert kept["dev"]["cold"] == pytest.approx(written["dev"]["cold"])


def test_a_models_own_thresholds_are_those_of_its_own_answers(runs: list[Path]) -> None:
    for name in ("words", "both", "cold", "overall"):
        folder = runs[0] / "best" / name
        kind = MultitaskModel.from_pretrained(folder).tasks["words"].kind
        answers = read_answers(folder, "words", "dev")
        assert answers.predictions.probabilities is not None
        decided = kind.decided(answers.predictions.probabilities).values
        np.testing.assert_array_equal(decided, answers.predictions.values)
        assert not kind.decides_on_dev


def test_test_is_scored_at_thresholds_it_did_not_choose(runs: list[Path], quiet: Display) -> None:
    found = evaluate_run(runs[0], None, "test", quiet)
    model = MultitaskModel.from_pretrained(runs[0])
    rows = [
        *csv.DictReader(
            (Path(str(yaml.safe_load((runs[0] / "recipe.yaml").read_text())["data"])) / "rows-test.tsv").open(),
            delimiter="\t",
            quoting=csv.QUOTE_NONE,
        )
    ]
    predicted = model.predict("cold", [row["text"] for row in rows])
    labels = np.array([float(row["yes"]) for row in rows])
    assert found.tasks["cold"]["accuracy"] == pytest.approx(float(np.mean(predicted.values == labels)))


def test_predictions_name_all_classes(runs: list[Path], tmp_path: Path) -> None:
    run, source = runs[0], tmp_path / "new.tsv"
    source.write_text("text\ngood bad\nfilm rice\n")
    ended = minbert("predict", run, "--task", "words", "--input", source, "--output", tmp_path / "out.jsonl")
    assert ended.returncode == 0, ended.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    wanted = MultitaskModel.from_pretrained(run).predict("words", ["good bad", "film rice"])
    assert [line["prediction"] for line in lines] == wanted.names
    assert list(lines[0])[2:] == [f"probability_{name}" for name in CLASSES]
    printed = minbert("predict", run, "--task", "words", "--input", source).stdout
    table = [*csv.DictReader(io.StringIO(printed), delimiter="\t")]
    assert [json.loads(row["prediction"]) for row in table] == wanted.names
    shown = minbert("predict", run, "--task", "words", "good bad").stdout
    assert all(f"{name} (" in shown for name in wanted.names[0]) or "none" in shown
    lines = (run / "predictions" / "words-test-output.csv").read_text().splitlines()
    assert len(lines) == 7
    assert all(line.split(" , ")[1].strip().replace("|", "").isdigit() or "none" in line for line in lines[1:])


def test_the_card_says_what_an_answer_is(runs: list[Path]) -> None:
    card = (runs[0] / "README.md").read_text()
    assert "any of 3 classes (good, bad, cold), with probabilities; a class is answered from its threshold on" in card
    assert "yes from a probability of" in card or "0 (no) or 1 (yes), with probabilities |" in card
    assert "| `words` | Jaccard index |" in card


def test_runs_are_compared_and_reported(runs: list[Path], tmp_path: Path) -> None:
    ended = minbert("compare", *runs, "--baseline", runs[0], "--json", tmp_path / "compared.json")
    assert ended.returncode == 0, ended.stderr
    ended = minbert("report", *runs, "--out", tmp_path / "report.html")
    assert ended.returncode == 0, ended.stderr
    page = (tmp_path / "report.html").read_text()
    for told in ("words: each class", "words: reliability", "cold: confusion matrix", "words: errors by text"):
        assert told in page
    assert "words: confusion matrix" not in page


def test_ensembles_and_soups_choose_thresholds_of_their_own(runs: list[Path], tmp_path: Path, quiet: Display) -> None:
    made = make_ensemble(runs, tmp_path / "ensemble", "uniform", None, quiet)
    written = metrics(tmp_path / "ensemble")
    chosen = written["decided_on_dev"]["words"]["thresholds"]
    answers = read_answers(tmp_path / "ensemble", "words", "dev")
    members = [read_answers(run, "words", "dev").predictions.probabilities for run in runs]
    np.testing.assert_allclose(answers.predictions.probabilities, np.mean(members, axis=0))  # type: ignore[arg-type]
    np.testing.assert_array_equal(
        answers.predictions.values,
        np.mean(members, axis=0) >= [*chosen.values()],  # type: ignore[arg-type]
    )
    score = METRICS["macro_f1"].of_rows(answers.labels, answers.predictions.values)
    assert made.dev.tasks["words"]["macro_f1"] == pytest.approx(score)
    soup = make_soup(runs, tmp_path / "soup", None, quiet)
    kept = MultitaskModel.from_pretrained(tmp_path / "soup").tasks["words"].kind
    assert not kept.decides_on_dev
    answers = read_answers(tmp_path / "soup", "words", "dev")
    score = METRICS["macro_f1"].of_rows(answers.labels, answers.predictions.values)
    assert soup.greedy.tasks["words"]["macro_f1"] == pytest.approx(score)


def test_a_student_learns_from_a_teacher(
    tree: dict[str, Any], runs: list[Path], tmp_path: Path, quiet: Display
) -> None:
    taught = train(tree, tmp_path / "student", quiet, distillation={"teachers": [str(runs[0])]})
    assert metrics(taught)["dev"]["words"].keys() >= {"macro_f1", "micro_f1"}


@pytest.mark.parametrize("method", ["smart", "mbpp"])
def test_regularizers_train_it(tree: dict[str, Any], tmp_path: Path, quiet: Display, method: str) -> None:
    tasks = {"words": {**tree["tasks"]["words"], "regularization": method, "loss": "asymmetric"}}
    run = train(
        tree, tmp_path / "run", quiet, tasks=tasks, training={"epochs": 1, "head_start": "random", "precision": "fp32"}
    )
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert history[-1]["regularization"]["words"][method]
