"""Strict reading of a split: what comes out of good files, and what is told of bad ones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from minbert.data.examples import BadDataError, read_split, same_content
from minbert.data.task_files import SplitFiles, TaskFiles
from minbert.errors import UserError
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.regression import Regression

files = TaskFiles(files=SplitFiles(train="train.tsv"), text="text", label="label", id="id")
pair_files = TaskFiles(files=SplitFiles(train="train.tsv"), text=("first", "second"), label="label")
classes = Classification(classes=3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train.tsv"


def test_single_texts(path: Path) -> None:
    path.write_text("id\ttext\tlabel\n x \t  a b \t2.0\ny\tc\t0\n")
    split = read_split(path, files, classes)
    assert (split.path, split.ids, split.first, split.second) == (path, ["x", "y"], ["a b", "c"], None)
    assert split.labels is not None
    assert split.labels.dtype == np.float64
    assert split.labels.tolist() == [2.0, 0.0]
    assert (len(split), split.texts) == (2, ["a b", "c"])


def test_pairs_without_an_id_column(path: Path) -> None:
    path.write_text("first\tsecond\tlabel\na\tb\t3.8\n\nc\td\t5\n")
    split = read_split(path, pair_files, Regression(range=(0, 5)))
    assert (split.ids, split.first, split.second) == (["1", "2"], ["a", "c"], ["b", "d"])
    assert split.labels is not None
    assert split.labels.tolist() == [3.8, 5.0]
    assert split.texts == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("header", "labelled", "read"),
    [
        ("label", True, True),
        ("label", None, True),
        ("label", False, False),
        ("other", None, False),
        ("other", False, False),
    ],
)
def test_labels_are_read_where_they_are_wanted(path: Path, header: str, labelled: bool | None, read: bool) -> None:
    path.write_text(f"id\ttext\t{header}\nx\ta\t1\n")
    assert (read_split(path, files, classes, labelled).labels is not None) == read


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("\ta\t1", "no id in column 'id'"),
        ("x\ta\t1", "the id 'x' is already on line 2"),
        ("y\t  \t1", "no text in column 'text'"),
        ("y\ta\t", "no label in column 'label'"),
        ("y\ta\t3", "label '3' is none of: 0, 1, 2"),
        ("y\ta\t1.5", "label '1.5' is none of: 0, 1, 2"),
        ("y\ta\tnan", "label 'nan' is none of"),
        ("y\t\tbad", "no text in column 'text'; label 'bad' is none of: 0, 1, 2"),
        ("y\ta", "number of fields: 2 in the row, 3 in the header"),
        ("y\ta\t1\t1", "number of fields: 4 in the row, 3 in the header"),
        ("y\ta\0\t1", "a NUL byte"),
        ("y\t" + "a" * 1000 + "\t" + "b" * 1000, "label '" + "b" * 59 + "…' is none of: 0, 1, 2"),
        ("y\ta\t\x1b[31m", "label '\N{REPLACEMENT CHARACTER}[31m' is none of: 0, 1, 2"),
    ],
)
def test_a_bad_row(path: Path, row: str, message: str) -> None:
    path.write_text(f"id\ttext\tlabel\nx\ta\t1\n{row}\nz\ta\t2\n")
    with pytest.raises(BadDataError) as caught:
        read_split(path, files, classes)
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [(3, path)]
    (problem,) = caught.value.problems
    advice = f"\n{problem.advice}" if problem.advice else ""
    assert str(caught.value) == f"{path}: 1 row cannot be used.\n  {path}:3: {problem.message}{advice}"
    assert caught.value.problems[0].message.startswith(message)


def test_broken_utf8(path: Path) -> None:
    path.write_bytes(b"id\ttext\tlabel\nx\ta\t1\ny\t\xe9t\xe9\t1\n")
    with pytest.raises(BadDataError, match=r"train\.tsv:3: not UTF-8 \(byte 0xe9, number 3 of the line\)"):
        read_split(path, files, classes)


def test_the_first_five_of_many_bad_rows_are_shown(path: Path) -> None:
    path.write_text("id\ttext\tlabel\n" + "".join(f"{number}\ta\t7\n" for number in range(1200)))
    with pytest.raises(BadDataError) as caught:
        read_split(path, files, classes)
    assert len(caught.value.problems) == 1200
    lines = str(caught.value).split("\n")
    assert lines[0] == f"{path}: 1,200 rows cannot be used."
    assert lines[1:6] == [f"  {path}:{line}: label '7' is none of: 0, 1, 2" for line in range(2, 7)]
    assert lines[6:] == ["  ... and 1,195 more; 'minbert data check' shows all of them."]


def test_a_wrong_column(path: Path) -> None:
    path.write_text("id\ttexts\tlabel\nx\ta\t1\n")
    with pytest.raises(UserError) as caught:
        read_split(path, files, classes)
    assert str(caught.value) == (
        f"{path}: there is no column 'text' (did you mean 'texts'?). The columns are: id, texts, label."
    )


@pytest.mark.parametrize("missing", ["id", "label"])
def test_a_missing_column(path: Path, missing: str) -> None:
    path.write_text("id\ttext\tlabel\nx\ta\t1\n".replace(missing, "other"))
    with pytest.raises(UserError, match=rf"train\.tsv: there is no column '{missing}'"):
        read_split(path, files, classes)


def test_json_lines_that_lack_a_key(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"id": 1, "text": "a", "label": 1}\n{"id": 2, "text": "b"}\n')
    with pytest.raises(BadDataError, match=r"train\.jsonl:2: no label in column 'label'"):
        read_split(path, files, classes)


def test_the_first_object_may_lack_a_key_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    first, others = '{"id": 0, "text": "z"}\n', '{"id": 1, "text": "a", "label": 1}\n{"id": 2, "label": 1}\n'
    path.write_text(first + others)
    with pytest.raises(BadDataError) as caught:
        read_split(path, files, classes)
    assert "train.jsonl:1: no label in column 'label'" in str(caught.value)
    assert "train.jsonl:3: no text in column 'text'" in str(caught.value)
    path.write_text(first + others.splitlines()[0])
    assert read_split(path, files.model_copy(update={"skip_unlabelled": True}), classes).ids == ["1"]
    path.write_text(first * 3)
    with pytest.raises(UserError, match=r"there is no column 'label'\. The columns are: id, text"):
        read_split(path, files, classes)


@pytest.mark.parametrize("name", ["train.tsv", "train.jsonl"])
def test_no_rows(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("" if name.endswith("jsonl") else "id\ttext\tlabel\n")
    with pytest.raises(UserError, match="holds no rows"):
        read_split(tmp_path / name, files, classes)


def test_rows_that_are_all_bad(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("a\nb\n")
    with pytest.raises(BadDataError, match="2 rows cannot be used"):
        read_split(tmp_path / "train.jsonl", files, classes)


def test_content_knows_no_case_space_or_order() -> None:
    assert same_content(["A  b", "c"]) == same_content([" C", "a B "])
    assert same_content(["a", "b c"]) != same_content(["a b", "c"])


data_folder = Path(os.environ.get("MINBERT_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
sentiment = TaskFiles(files=SplitFiles(dev="-"), text="sentence", label="sentiment", id="id")
duplicates = TaskFiles(files=SplitFiles(dev="-"), text=("sentence1", "sentence2"), label="is_duplicate", id="id")
similarity = TaskFiles(files=SplitFiles(dev="-"), text=("sentence1", "sentence2"), label="similarity", id="id")
five_classes = Classification(classes=5)
binary = Binary()
zero_to_five = Regression(range=(0, 5))


@pytest.mark.skipif(not data_folder.is_dir(), reason="the papers' data are not here; MINBERT_DATA names their folder")
@pytest.mark.parametrize(
    ("name", "rows", "task", "labels"),
    [
        ("ids-sst-train", 8544, sentiment, five_classes),
        ("ids-sst-dev", 1101, sentiment, five_classes),
        ("ids-sst-test-student", 2210, sentiment, five_classes),
        ("ids-cfimdb-train", 1707, sentiment, binary),
        ("ids-cfimdb-dev", 245, sentiment, binary),
        ("ids-cfimdb-test-student", 488, sentiment, binary),
        ("sts-train", 6040, similarity, zero_to_five),
        ("sts-dev", 863, similarity, zero_to_five),
        ("sts-test-student", 1725, similarity, zero_to_five),
        ("quora-train", 14151, duplicates, binary),
        ("quora-dev", 2021, duplicates, binary),
        ("quora-test-student", 4040, duplicates, binary),
        ("quora-train-large", 63865, duplicates, binary),
        ("quora-train-extra-positives", 12094, duplicates, binary),
    ],
)
def test_the_papers_files_read_whole(name: str, rows: int, task: TaskFiles, labels: Kind) -> None:
    split = read_split(data_folder / f"{name}.csv", task, labels, labelled=None)
    assert len(split) == rows
    assert {len(row_id) for row_id in split.ids} == {25}
    assert (split.labels is None) == name.endswith("test-student")
    if name == "quora-train-extra-positives":
        assert split.labels is not None
        assert split.labels.all()


def test_rows_without_a_label_may_be_left_out(path: Path) -> None:
    path.write_text("id\ttext\tlabel\nx\ta\t1\ny\tb\t\nz\tc\t \nw\td\t2\n")
    with pytest.raises(BadDataError) as caught:
        read_split(path, files, classes)
    told = str(caught.value).splitlines()
    assert told[1:3] == [f"  {path}:{line}: no label in column 'label'" for line in (3, 4)]
    assert told[3:] == ["Give these rows labels, or leave them out: 'skip_unlabelled: true' beside the task's 'label'."]
    skipping = files.model_copy(update={"skip_unlabelled": True})
    split = read_split(path, skipping, classes)
    assert (split.ids, split.first_incomplete) == (["x", "w"], [3, 4])
    assert split.left_out == f"{path}: 2 rows lack a label or a text, and the task leaves such rows out (line 3, 4)"
    assert split.take(np.array([0])).incomplete == 2


def test_a_test_file_without_any_label_is_unlabelled_and_not_left_out(path: Path) -> None:
    path.write_text("id\ttext\tlabel\nx\ta\t\ny\tb\t\n")
    skipping = files.model_copy(update={"skip_unlabelled": True})
    split = read_split(path, skipping, classes, labelled=None)
    assert (split.ids, split.labels, split.left_out) == (["x", "y"], None, None)
    with pytest.raises(UserError, match="'skip_unlabelled' leaves out every row"):
        read_split(path, skipping, classes)


def test_an_advice_is_told_once(path: Path) -> None:
    path.write_bytes(b"id\ttext\tlabel\nx\tcaf\xe9\t1\ny\tgr\xfc\xdf\t1\nz\ta\t1\n")
    with pytest.raises(BadDataError) as caught:
        read_split(path, files, classes)
    assert str(caught.value).count("iconv -f WINDOWS-1252 -t UTF-8") == 1
    assert f"{path}:2: not UTF-8 (byte 0xe9, number 6 of the line)" in str(caught.value)


def test_a_list_where_a_label_is_expected_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1, "text": "a", "label": ["x"]}\n')
    with pytest.raises(UserError, match=r"rows\.jsonl: column 'label' holds a list; give it one text or number a row"):
        read_split(path, files, classes)
    path.write_text('{"id": 1, "text": "a", "label": 1}\n{"id": 2, "text": "a", "label": {}}\n')
    with pytest.raises(BadDataError, match=r"rows\.jsonl:2: column 'label' holds an object"):
        read_split(path, files, classes)


@pytest.mark.parametrize("row_id", ["a , b", "a\\nb", "a\\rb", "a\\u2028b"])
def test_an_id_that_would_break_a_prediction_file_is_refused(tmp_path: Path, row_id: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"id": "1", "text": "good"}}\n{{"id": "{row_id}", "text": "bad"}}\n')
    with pytest.raises(BadDataError, match=r"rows\.jsonl:2: the id .* which no prediction file can hold"):
        read_split(path, files, classes, labelled=False)
