"""What is worth knowing of the rows is told, by ``data check`` and by whoever reads the texts of a run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from minbert.data.check import check
from minbert.data.check_report import render
from minbert.data.early_facts import label_facts, shared_texts, unseen_classes
from minbert.data.examples import Split
from minbert.data.task_files import TaskFiles
from minbert.display.progress import Display
from minbert.recipe.recipe import parse_recipe
from minbert.running.texts import read_texts
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.multilabel import Multilabel
from minbert.tasks.kinds.ordinal import Ordinal
from minbert.tasks.kinds.regression import Regression


def test_a_class_that_no_train_row_has_is_told_with_who_has_it() -> None:
    counts = {"train": {"neg": 2, "mid": 0, "pos": 1}, "dev": {"neg": 1, "mid": 3, "pos": 0}}
    told = unseen_classes(counts)
    assert told is not None
    assert told.startswith("no train row has the label mid,")
    assert told.endswith("; dev has 3 of mid")
    assert unseen_classes({"train": {"neg": 2, "pos": 1}, "dev": {"neg": 0, "pos": 0}}) is None
    assert unseen_classes({"dev": {"neg": 0, "pos": 1}}) is None  # nothing is trained
    assert unseen_classes({"train": {}, "dev": {}}) is None  # scores


def test_data_check_tells_it_unless_a_further_file_has_the_class(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tlabel\nx\tneg\ny\tpos\n")
    (tmp_path / "b.tsv").write_text("text\tlabel\nz\tmid\n")
    kind = Classification(classes=["neg", "mid", "pos"])
    files = {"files": {"train": "a.tsv", "dev": "b.tsv"}, "text": "text", "label": "label"}
    lines = render(check({"mood": (TaskFiles.model_validate(files), kind)}, tmp_path))
    assert [line for line in lines if "no train row" in line] == [
        "  warning: no train row has the label mid, so the model never learns to answer it; dev has 1 of mid"
    ]
    more = files | {"also_train_on": [{"file": "b.tsv"}]}
    assert not [
        line
        for line in render(check({"mood": (TaskFiles.model_validate(more), kind)}, tmp_path))
        if "no train row" in line
    ]


def test_scores_have_no_classes_to_miss(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tlabel\nx\t1\ny\t2\n")
    files = TaskFiles.model_validate({"files": {"train": "a.tsv"}, "text": "text", "label": "label"})
    assert not [
        line for line in render(check({"t": (files, Regression(range=(0, 5)))}, tmp_path)) if "no train" in line
    ]


def test_classes_with_fewer_than_five_rows_are_told() -> None:
    kind = Classification(classes=["a", "b", "c", "d"])
    counts = {"train": {"a": 50, "b": 4, "c": 5, "d": 40}, "dev": {"b": 9}}
    assert label_facts(kind, counts, 99) == ["fewer than 5 train rows have the label b (4): too few to learn it from"]
    many = Classification(classes=9)
    [fact] = label_facts(many, {"train": {str(label): 1 + label % 4 for label in range(9)}}, 20)
    assert "0 (1), 1 (2), 2 (3), 3 (4), 4 (1), and 4 more:" in fact
    assert label_facts(kind, {"dev": {"a": 1}}, 0) == []


@pytest.mark.parametrize(
    ("more", "metric", "advice"),
    [
        ({}, "accuracy", "Consider metric: macro_f1 or mcc and class_weights: balanced"),
        ({}, None, "Consider metric: macro_f1 or mcc and class_weights: balanced"),
        ({"class_weights": "balanced"}, "weighted_f1", "has a good weighted_f1. Consider metric: macro_f1 or mcc"),
        ({}, "mcc", "have the label 0. Consider class_weights: balanced"),
        ({}, "average_precision", "have the label 0. Consider class_weights: balanced"),
        ({"class_weights": {"1": 5}}, "mcc", "have the label 0"),
    ],
)
def test_nearly_all_rows_in_one_class_are_told_with_what_to_consider(
    more: dict[str, Any], metric: str | None, advice: str
) -> None:
    [fact] = label_facts(Binary(**more), {"train": {"0": 950, "1": 50}}, 1000, metric)
    assert fact.startswith("95.0% of the train rows have the label 0")
    assert fact.endswith(advice)
    assert label_facts(Binary(**more), {"train": {"0": 949, "1": 51}}, 1000, metric) == []


@pytest.mark.parametrize(
    ("metric", "advice"),
    [
        ("qwk", "have the label 3. Consider class_weights: balanced"),
        ("mae", "so a model that always says so has a good mae. Consider metric: qwk or macro_f1 and class_weights"),
    ],
)
def test_of_classes_in_order_the_advice_goes_by_the_metric(metric: str, advice: str) -> None:
    kind = Ordinal(classes=["1", "2", "3"])
    [fact] = label_facts(kind, {"train": {"1": 20, "2": 20, "3": 960}}, 1000, metric)
    assert advice in fact


def test_a_class_that_most_rows_lack_is_nothing_special_where_rows_have_several() -> None:
    assert label_facts(Multilabel(classes=["a", "b"]), {"train": {"a": 990, "b": 9}}, 1000) == []


def split(*rows: tuple[str, str] | str) -> Split:
    first = [row if isinstance(row, str) else row[0] for row in rows]
    second = [row[1] for row in rows if not isinstance(row, str)] or None
    return Split(Path("x"), [str(row) for row in range(len(rows))], first, second, None)


def test_rows_of_dev_and_test_that_stand_in_train_are_counted() -> None:
    told = list(shared_texts({"train": split("A b", "c"), "dev": split("a  B", "a b", "d"), "test": split("C", "e")}))
    assert told == [
        "2 rows of dev also in train, so its scores are a little too good",
        "1 row of test also in train, so its scores are a little too good",
    ]
    assert not list(shared_texts({"train": split("a"), "dev": split("b")}))
    turned = {"train": split(("a", "b"), ("c", "d")), "dev": split(("B", "A"), ("a", "c"))}
    assert len(list(shared_texts(turned))) == 1


def test_a_run_tells_it_before_it_trains(two_tasks: dict[str, Any]) -> None:
    data = Path(two_tasks["data"])
    (data / "mood-dev.tsv").write_text((data / "mood-train.tsv").read_text())
    stream = io.StringIO()
    two_tasks["tasks"]["mood"]["rows"] = 6
    read_texts(parse_recipe(two_tasks, "test"), Display(Console(file=stream, width=300)))
    assert "mood: 6 rows of dev also in train" in stream.getvalue()
    assert "mood: fewer than 5 train rows have the label" in stream.getvalue()
