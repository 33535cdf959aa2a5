"""The report on a recipe's data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from minbert.data.check import check
from minbert.data.check_report import Overlap, Report, render
from minbert.data.tally import Lengths, Scores
from minbert.data.task_files import TaskFiles
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.regression import Regression


def task_files(name: str, text: str | list[str], splits: list[str]) -> TaskFiles:
    files = {split: f"{name}-{split}.tsv" for split in splits}
    return TaskFiles.model_validate({"files": files, "text": text, "label": "label"})


@pytest.fixture
def report(tmp_path: Path) -> Report:
    contents = {
        "mood-train": "text\tlabel\na b c\tbad\na\tgood\nA  B c\tgood\nd\tgood\ne\tbetter\n",
        "mood-dev": "text\tlabel\nD\tbad\nf\tgood\ng\tgood\n",
        "mood-test": "text\nf\na\n",
        "near-dev": "a\tb\tlabel\none two\tthree\t1\nfour\tfive\t3\n",
        "near-test": "a\tb\tlabel\nThree\tone  two\t2\nthree\tfour\t2\n",
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.tsv").write_text(content)
    moods = Classification(classes=["bad", "good"])
    tasks = {
        "mood": (task_files("mood", "text", ["train", "dev", "test"]), moods),
        "near": (
            task_files("near", ["a", "b"], ["train", "dev", "test"]),
            Regression(range=(0, 5)),
        ),
    }

    def characters(firsts: Sequence[str], seconds: Sequence[str] | None) -> list[int]:
        return [len(text) for text in (*firsts, *(seconds or []))]

    return check(tasks, tmp_path, dict.fromkeys(tasks, characters), max_length=4)


def test_counts(report: Report) -> None:
    train, dev, test = report.tasks[0].splits
    assert (train.name, train.path.name) == ("train", "mood-train.tsv")
    assert (train.rows, train.classes) == (4, {"bad": 1, "good": 3})
    assert (train.words, train.tokens) == (Lengths(1, 2, 3, 3), Lengths(1, 3, 6, 6))
    assert (train.too_long, train.repeated) == (2, 1)
    assert (dev.rows, dev.classes, dev.repeated) == (3, {"bad": 1, "good": 2}, 0)
    assert (test.rows, test.classes, test.scores) == (2, None, None)


def test_pairs_and_scores(report: Report) -> None:
    missing, dev, _ = report.tasks[1].splits
    assert (missing.rows, missing.words) == (0, None)
    assert (dev.scores, dev.classes) == (Scores(2.0, 1.0, 1.0, 3.0), None)
    assert (dev.words, dev.too_long) == (Lengths(1, 1, 2, 2), 2)


def test_overlaps(report: Report) -> None:
    mood, near = report.tasks
    assert mood.overlaps == [Overlap("train", "dev", 1), Overlap("train", "test", 1), Overlap("dev", "test", 1)]
    assert near.overlaps == [Overlap("dev", "test", 1)]


def test_every_problem_is_reported(report: Report) -> None:
    bad_label, missing_file = report.problems
    assert bad_label.endswith("mood-train.tsv:6: label 'better' is none of: bad, good")
    assert "near-train.tsv: no such file" in missing_file


def test_the_report_as_text(report: Report) -> None:
    lines = render(report)
    folder = report.tasks[0].splits[0].path.parent
    assert lines[:7] == [
        "mood",
        f"  train: 4 rows ({folder / 'mood-train.tsv'})",
        "    labels: bad: 1 (25.0%), good: 3 (75.0%)",
        "    words a text: 1 to 3, median 2, 95% at most 3",
        "    tokens a sequence: 1 to 6, median 3, 95% at most 6",
        "    2 sequences longer than 4 tokens, and so cut",
        "    warning: 1 row with the content of an earlier one",
    ]
    assert f"    problem: {report.problems[0]}" in lines
    assert "  warning: 1 row of dev also in train" in lines
    assert "    labels: mean 2.000, standard deviation 1.000, from 1 to 3" in lines
    assert lines[-1] == "2 problems found."


def test_the_last_line_counts_what_warns(tmp_path: Path) -> None:
    (tmp_path / "mood-train.tsv").write_text("text\tlabel\n" + "a\t1\nb\t0\n" * 6)
    (tmp_path / "mood-dev.tsv").write_text("text\tlabel\na\t1\n")
    lines = render(check({"mood": (task_files("mood", "text", ["train", "dev"]), Binary())}, tmp_path))
    assert len([line for line in lines if "warning: " in line]) == 2
    assert lines[-1] == "No errors, 2 warnings."


def test_without_tokens_or_problems(tmp_path: Path) -> None:
    (tmp_path / "mood-dev.tsv").write_text("text\tlabel\na\t1\n")
    report = check({"mood": (task_files("mood", "text", ["dev"]), Binary())}, tmp_path)
    assert report.problems == []
    assert report.tasks[0].splits[0].tokens is None
    assert render(report)[-1] == "No problems found."


def test_a_file_of_bad_rows_only(tmp_path: Path) -> None:
    (tmp_path / "mood-dev.tsv").write_text("text\tlabel\na\t2\n")
    report = check({"mood": (task_files("mood", "text", ["dev"]), Binary())}, tmp_path)
    assert render(report)[2:] == [
        "    labels: 0: 0 (0.0%), 1: 0 (0.0%)",
        f"    problem: {tmp_path / 'mood-dev.tsv'}:2: label '2' is none of: 0, 1",
        "1 problem found.",
    ]
