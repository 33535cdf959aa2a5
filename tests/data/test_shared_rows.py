"""Rows that train a task beside its own: labels translated, ids kept apart, dev and test untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from minbert.data.check import check
from minbert.data.check_report import Overlap, render
from minbert.data.examples import BadDataError, Split, read_split
from minbert.data.relabelling import Relabelling, labels_of
from minbert.data.shared_rows import joined, read_shared
from minbert.data.task_files import TaskFiles
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import prepare
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.multilabel import Multilabel
from minbert.tasks.kinds.regression import Regression

FIVE = Classification(classes=["--", "-", "0", "+", "++"])
SCORE = Regression(range=(0, 5))
OWN = {"files": {"train": "own.tsv", "dev": "dev.tsv"}, "text": "text", "label": "label", "id": "id"}


def files(*shared: dict[str, Any]) -> TaskFiles:
    return TaskFiles.model_validate(OWN | {"also_train_on": list(shared)})


def test_columns_are_the_tasks_own_unless_given() -> None:
    [same, other] = files(
        {"file": "a.tsv"}, {"file": "b.tsv", "text": "review", "label": "stars", "id": None}
    ).also_train_on
    assert (same.text, same.label, same.id) == ("text", "label", "id")
    assert (other.text, other.label, other.id) == ("review", "stars", None)
    whole = TaskFiles.model_validate(OWN | {"also_train_on": [{"file": "a.tsv"}]})
    assert TaskFiles.model_validate(whole.model_dump(mode="json")) == whole


@pytest.mark.parametrize(
    ("mapping", "labels", "text", "value"),
    [
        ({"0": "--", "1": "++"}, FIVE, "1.0", 4.0),
        ({"0.0": "--", "1.00": "++"}, FIVE, "1", 4.0),
        ({"good": "++"}, FIVE, "good", 4.0),
        ({"0": "0", "1": "5"}, SCORE, "1.0", 5.0),
        ({"0": "0.7"}, SCORE, "0", 0.7),
    ],
)
def test_a_label_is_read_as_the_one_it_stands_for(
    mapping: dict[str, str], labels: Kind, text: str, value: float
) -> None:
    assert Relabelling(mapping, labels).parse(text) == value


def test_where_all_is_left_out_the_other_labels_stay() -> None:
    scores = Relabelling({"nan": None, "-1": None}, SCORE)
    assert [scores.parse(text) for text in ("nan", "-1.0", "2.5")] == [None, None, 2.5]
    with pytest.raises(ValueError, match="label 'none' is not a number from 0 to 5"):
        scores.parse("none")
    topics = Multilabel(classes=["a", "b"])
    np.testing.assert_array_equal(Relabelling({"junk": None}, topics).parse('["junk", "b"]'), topics.parse('["b"]'))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'c' is none of"):
        Relabelling({"junk": None, "a": "a"}, topics).parse('["c"]')


@pytest.mark.parametrize("written", ["1_0", "１０", "0x0a", "١٠"])
def test_only_decimal_digits_make_a_number(written: str) -> None:
    relabelling = Relabelling({"10": "1"}, SCORE)
    assert relabelling.parse("1e1") == 1
    with pytest.raises(ValueError, match=f"label '{written}' is none of those"):
        relabelling.parse(written)
    assert Relabelling({"10": "1", written: "2"}, SCORE).parse(written) == 2


def test_a_tasks_own_files_are_read_by_its_labels(tmp_path: Path) -> None:
    """Five classes read as yes and no: rows that are neither are left out, of every file that is not said to differ."""
    (tmp_path / "own.tsv").write_text("id\ttext\tlabel\na\tone\t0\nb\ttwo\t2\nc\tthree\t3.0\n")
    (tmp_path / "more.tsv").write_text("id\ttext\tlabel\na\tfour\t2\nd\tfive\t4\n")
    (tmp_path / "yes.tsv").write_text("id\ttext\tlabel\ne\tsix\t1\n")
    own = TaskFiles.model_validate(
        OWN
        | {
            "labels": {0: 0, 1: 0, 2: None, 3: 1, 4: 1},
            "also_train_on": [{"file": "more.tsv"}, {"file": "yes.tsv", "labels": None}],
        }
    )
    yes_no = Binary()
    read = read_split(tmp_path / "own.tsv", own, labels_of(own, yes_no))
    whole = joined(read, read_shared(tmp_path, "task", own, yes_no, seed=0))
    assert whole.ids == ["a", "c", "d", "e"]
    assert whole.labels is not None
    assert whole.labels.tolist() == [0, 1, 1, 1]
    with pytest.raises(BadDataError, match="label '2' is none of: 0, 1"):
        read_split(tmp_path / "own.tsv", own, yes_no)


def test_a_file_with_no_row_left_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_text("id\ttext\tlabel\na\tone\t2\n")
    own = TaskFiles.model_validate(OWN | {"labels": {2: None}})
    with pytest.raises(UserError, match="'labels' leaves out every row"):
        read_split(tmp_path / "own.tsv", own, labels_of(own, Binary()))


def test_rows_that_are_left_out_must_still_be_whole(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_text("id\ttext\tlabel\na\t\t2\nb\ttwo\t0\n")
    own = TaskFiles.model_validate(OWN | {"labels": {0: 0, 2: None}})
    with pytest.raises(BadDataError, match="no text in column 'text'"):
        read_split(tmp_path / "own.tsv", own, labels_of(own, Binary()))


def test_labels_of_a_recipe_need_no_quotes() -> None:
    [shared] = files({"file": "a.tsv", "labels": {0: 0.5, 1.0: 4, "2": "x"}}).also_train_on
    assert shared.labels == {"0": "0.5", "1.0": "4", "2": "x"}


@pytest.mark.parametrize(
    ("mapping", "labels", "message"),
    [
        ({"0": "6"}, SCORE, "label '6' is not a number from 0 to 5"),
        ({"1": "0", "1.0": "5"}, SCORE, "label '1.0' is given twice"),
    ],
)
def test_a_mapping_to_nowhere_is_refused(mapping: dict[str, str], labels: Kind, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Relabelling(mapping, labels)


@pytest.mark.parametrize(
    ("shared", "message"),
    [
        ({"file": "a.tsv", "labels": {True: 0}}, "put the label in quotes"),
        ({"file": "a.tsv", "labels": {}}, "labels"),
        ({"file": "a.tsv", "text": ["a", "b"]}, "the task is one on single texts, and so must a.tsv be"),
        ({"file": "a.tsv", "label": "text"}, "must be different columns"),
        ({"file": "a.tsv", "rows": "0%"}, "amount of rows"),
        ({"text": "a"}, "file"),
    ],
)
def test_what_is_refused(shared: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        files(shared)


def test_rows_shared_without_rows_of_its_own_are_refused() -> None:
    with pytest.raises(ValidationError, match="name that under 'files'"):
        TaskFiles.model_validate(OWN | {"files": {"dev": "dev.tsv"}, "also_train_on": [{"file": "a.tsv"}]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.tsv").write_text("id\ttext\tlabel\na\tone\t0\nb\ttwo\t-\n")
    (tmp_path / "dev.tsv").write_text("id\ttext\tlabel\nc\tthree\t++\nd\t seven\t--\n")
    (tmp_path / "more.tsv").write_text("id\ttext\tlabel\na\tTHREE\t1.0\nx\tfour\t0\nb\tone\t1\n")
    (tmp_path / "reviews.jsonl").write_text('{"review": "six", "good": true}\n{"review": "seven", "good": false}\n')
    return tmp_path


MORE = {"file": "more.tsv", "labels": {0: "--", 1: "++"}}
REVIEWS = {
    "file": "reviews.jsonl",
    "text": "review",
    "label": "good",
    "id": None,
    "labels": {"true": "+", "false": "-"},
}


def test_rows_join_the_train_file_with_translated_labels_and_ids_of_their_own(folder: Path) -> None:
    own = Split(folder / "own.tsv", ["a", "b"], ["one", "two"], None, np.array([2.0, 1.0]))
    task = files(MORE, REVIEWS, REVIEWS)
    whole = joined(own, read_shared(folder, "mood", task, FIVE, seed=0))
    assert whole.first == ["one", "two", "THREE", "four", "one", "six", "seven", "six", "seven"]
    assert whole.ids == ["a", "b", "more.tsv:a", "x", "more.tsv:b", "1", "2", "reviews.jsonl:1", "reviews.jsonl:2"]
    assert whole.second is None
    assert whole.labels is not None
    assert whole.labels.tolist() == [2, 1, 4, 0, 4, 3, 1, 3, 1]


def test_pairs_keep_their_two_texts(tmp_path: Path) -> None:
    (tmp_path / "same.tsv").write_text("a\tb\tsame\nq\tr\t1\ns\tt\t0\n")
    pair = {"files": {"train": "near.tsv"}, "text": ["a", "b"], "label": "score"}
    task = TaskFiles.model_validate(
        pair | {"also_train_on": [{"file": "same.tsv", "label": "same", "labels": {0: 0, 1: 5}}]}
    )
    own = Split(tmp_path / "near.tsv", ["1"], ["o"], ["p"], np.array([3.8]))
    whole = joined(own, read_shared(tmp_path, "near", task, SCORE, seed=0))
    assert (whole.texts, whole.ids) == ([("o", "p"), ("q", "r"), ("s", "t")], ["1", "same.tsv:1", "2"])
    assert whole.labels is not None
    assert whole.labels.tolist() == [3.8, 5.0, 0.0]


def test_without_a_mapping_labels_are_the_tasks_own(folder: Path) -> None:
    (folder / "again.tsv").write_text("id\ttext\tlabel\nz\tnine\t+\n")
    [split] = read_shared(folder, "mood", files({"file": "again.tsv"}), FIVE, seed=0)
    assert split.labels is not None
    assert split.labels.tolist() == [3.0]


def test_a_part_of_the_rows_follows_from_the_seed(folder: Path) -> None:
    lines = [f"r{n}\ttext {n}\t{n % 2}" for n in range(50)]
    (folder / "more.tsv").write_text("\n".join(["id\ttext\tlabel", *lines]))

    def ids(seed: int, rows: int | str) -> list[str]:
        [split] = read_shared(folder, "mood", files(MORE | {"rows": rows}), FIVE, seed)
        assert split.labels is not None
        assert split.labels.tolist() == [4.0 * (int(name[1:]) % 2) for name in split.ids]  # rows stay whole
        return split.ids

    assert ids(0, "20%") == ids(0, 10)
    assert set(ids(0, 10)) < set(ids(0, 30))
    assert ids(0, 10) != ids(1, 10)
    with pytest.raises(
        UserError, match=r"tasks\.mood\.also_train_on: .*more\.tsv: there are 50 rows, but 51 are wanted"
    ):
        ids(0, 51)


def test_a_label_without_a_translation_is_told_with_its_line(folder: Path) -> None:
    (folder / "more.tsv").write_text("id\ttext\tlabel\na\tone\t1\nb\ttwo\t2\nc\tthree\t\n")
    with pytest.raises(BadDataError) as caught:
        read_shared(folder, "mood", files(MORE), FIVE, seed=0)
    assert [str(problem) for problem in caught.value.problems] == [
        f"{folder / 'more.tsv'}:3: label '2' is none of those that 'labels' translates: 0, 1",
        f"{folder / 'more.tsv'}:4: no label in column 'label'",
    ]


def test_the_check_reads_them_and_tells_what_they_share_with_dev(folder: Path) -> None:
    report = check({"mood": (files(MORE, REVIEWS), FIVE)}, folder)
    assert not report.problems
    [task] = report.tasks
    own, more, reviews, dev = task.splits
    assert [split.name for split in task.splits] == ["train", "train (more.tsv)", "train (reviews.jsonl)", "dev"]
    assert (own.rows, more.rows, reviews.rows, dev.rows) == (2, 3, 2, 2)
    assert more.classes == {"--": 1, "-": 0, "0": 0, "+": 0, "++": 2}
    assert task.overlaps == [
        Overlap("train", "train (more.tsv)", 1),
        Overlap("train (more.tsv)", "dev", 1),
        Overlap("train (reviews.jsonl)", "dev", 1),
    ]
    assert "  warning: 1 row of dev also in train (more.tsv)" in render(report)


def test_the_check_tells_a_label_without_a_translation(folder: Path) -> None:
    report = check({"mood": (files(MORE | {"labels": {1: "++"}}), FIVE)}, folder)
    [problem] = report.problems
    assert problem.startswith(f"{folder / 'more.tsv'}:3: label '0' is none of those")


def test_they_train_the_task_and_leave_dev_and_test_alone(two_tasks: dict[str, Any], quiet: Display) -> None:
    before = prepare(parse_recipe(two_tasks, "test"), quiet)
    folder = Path(two_tasks["data"])
    (folder / "same.tsv").write_text("a\tb\tsame\ngood film\tfine film\t1\ncold rice\twhy learn\t0\n")
    shared = {"file": "same.tsv", "label": "same", "id": None, "labels": {0: 0, 1: 5}}
    two_tasks["tasks"]["close"] |= {"also_train_on": [shared], "rows": 10}
    two_tasks["tasks"]["close"]["loss"] = [{"name": "mnrl", "threshold": 4}, "mse"]
    after = prepare(parse_recipe(two_tasks, "test"), quiet)
    assert (before.course.sizes["close"].rows, after.course.sizes["close"].rows) == (24, 12)
    rows = after.train["close"]
    assert rows.ids[-2:] == ["1", "2"]
    assert rows.known_labels[-2:].tolist() == [5.0, 0.0]
    texts = [len(after.model.tokenizer.token_ids([text])[0]) + 2 for text in ("good film", "fine film")]
    assert rows.sequences.row_lengths()[-2] == sum(texts)
    for split in ("dev", "test"):
        old, new = getattr(before, split)["close"], getattr(after, split)["close"]
        assert old.ids == new.ids
        assert np.array_equal(old.known_labels, new.known_labels)


def test_a_mapping_to_what_is_no_label_is_told_with_the_recipe(two_tasks: dict[str, Any]) -> None:
    two_tasks["tasks"]["mood"]["also_train_on"] = [{"file": "films.tsv", "labels": {0: 0, 1: 4}}]
    with pytest.raises(
        UserError, match=r"tasks\.mood: also_train_on: films\.tsv: labels: label '4' is none of: 0, 1, 2"
    ):
        parse_recipe(two_tasks, "test")
    two_tasks["tasks"]["mood"]["also_train_on"] = [{"file": "films.tsv", "labls": {0: 0}}]
    with pytest.raises(UserError, match="labls: unknown key; did you mean 'labels'"):
        parse_recipe(two_tasks, "test")
