"""Classes without a row to train on are told, by ``data check`` and by whoever reads the texts of a run."""

from __future__ import annotations

from pathlib import Path

from minbert.data.check import check, render
from minbert.data.task_files import TaskFiles
from minbert.data.unseen_classes import unseen_classes
from minbert.tasks.kinds.classification import Classification
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
