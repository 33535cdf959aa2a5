"""Sets of classes as files hold them: lists, names with a separator, a column for each class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from minbert.data.check import check
from minbert.data.check_report import render
from minbert.data.examples import BadDataError, Split, read_split
from minbert.data.relabelling import labels_of
from minbert.data.task_files import Columns
from minbert.errors import UserError
from minbert.recipe.recipe import TaskRecipe
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.multilabel import Multilabel

KIND = Multilabel(classes=["joy", "anger", "love"])
SETS = [[1, 0, 0], [0, 0, 0], [1, 0, 1]]


def read(path: Path, kind: Kind = KIND, labelled: bool | None = True, **more: Any) -> Split:
    columns = Columns(text="text", **{"label": "label", **more})
    return read_split(path, columns, labels_of(columns, kind), labelled)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def jsonl(path: Path, *labels: Any) -> Path:
    return write(path, *(json.dumps({"text": f"t{n}", "label": label}) for n, label in enumerate(labels)))


def test_lists_in_json_lines(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["joy"], [], ["love", "joy"])
    np.testing.assert_array_equal(read(path).labels, SETS)
    numbers = Multilabel(classes=3)
    np.testing.assert_array_equal(read(jsonl(tmp_path / "n.jsonl", [0], [], [2, 0]), numbers).labels, SETS)


@pytest.mark.parametrize("kind", [pyarrow.string(), pyarrow.int64()])
def test_lists_in_parquet(tmp_path: Path, kind: pyarrow.DataType) -> None:
    names: list[Any] = ["joy", "anger", "love"] if kind == pyarrow.string() else [0, 1, 2]
    labels = [[names[place] for place in np.flatnonzero(row)] for row in SETS]
    columns = {"text": ["x", "y", "z"], "label": pyarrow.array(labels, pyarrow.list_(kind))}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    task = KIND if kind == pyarrow.string() else Multilabel(classes=3)
    np.testing.assert_array_equal(read(tmp_path / "a.parquet", task).labels, SETS)
    with pytest.raises(UserError, match="column 'label' holds values of the type list"):
        read_split(tmp_path / "a.parquet", Columns(text="label", label="text"), task)


def test_a_missing_list_is_a_missing_label(tmp_path: Path) -> None:
    columns = {"text": ["x", "y"], "label": pyarrow.array([["joy"], None], pyarrow.list_(pyarrow.string()))}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    with pytest.raises(BadDataError, match=r"a\.parquet:2: no label in column 'label'"):
        read(tmp_path / "a.parquet")


def test_names_with_a_separator(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "text\tlabel", "x\tjoy", "y\t", "z\tlove| joy |")
    np.testing.assert_array_equal(read(path, labels_separator="|").labels, SETS)
    skipped = read(path, labels_separator="|", skip_unlabelled=True)
    np.testing.assert_array_equal(skipped.labels, SETS)
    assert skipped.incomplete == 0


def test_with_a_separator_an_empty_text_is_no_class_but_null_is_a_missing_label(tmp_path: Path) -> None:
    rows = [{"label": "joy"}, {"label": ""}, {"label": None}, {}, {"label": ["love"]}]
    path = write(tmp_path / "a.jsonl", *(json.dumps({"text": f"t{n}", **row}) for n, row in enumerate(rows)))
    with pytest.raises(BadDataError) as caught:
        read(path, labels_separator="|")
    assert [problem.line for problem in caught.value.problems] == [3, 4]
    assert "no label in column 'label'" in str(caught.value)
    skipped = read(path, labels_separator="|", skip_unlabelled=True)
    np.testing.assert_array_equal(skipped.labels, [[1, 0, 0], [0, 0, 0], [0, 0, 1]])
    assert skipped.first_incomplete == [3, 4]
    parquet.write_table(pyarrow.table({"text": ["x", "y", "z"], "label": ["joy", "", None]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", labels_separator="|", skip_unlabelled=True).first_incomplete == [3]


def test_a_set_that_lacks_a_name_is_left_out_as_a_missing_label_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "text\tlabel", "x\tjoy||love", "y\t|joy", "z\tlove|joy|", "v\tjoy|joy")
    with pytest.raises(BadDataError, match=r"nothing between two '\|'") as caught:
        read(path, labels_separator="|")
    assert [problem.line for problem in caught.value.problems] == [2, 3, 5]
    assert "leave them out: 'skip_unlabelled: true'" in str(caught.value)
    with pytest.raises(BadDataError, match="names 'joy' twice"):
        read(path, labels_separator="|", skip_unlabelled=True)
    whole = write(tmp_path / "b.tsv", *path.read_text(encoding="utf-8").splitlines()[:-1])
    assert read(whole, labels_separator="|", skip_unlabelled=True).first_incomplete == [2, 3]


def test_json_text_in_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label", 'x,"[""joy""]"', "y,[]", 'z,"[""love"", ""joy""]"')
    np.testing.assert_array_equal(read(path).labels, SETS)


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("1.0", "0.0"), ("True", "false")])
def test_a_column_for_each_class(tmp_path: Path, yes: str, no: str) -> None:
    rows = ["\t".join([f"t{n}", *(yes if held else no for held in row)]) for n, row in enumerate(SETS)]
    path = write(tmp_path / "a.tsv", "text\tjoy\tanger\tlove", *rows)
    np.testing.assert_array_equal(read(path, label=["joy", "anger", "love"]).labels, SETS)
    np.testing.assert_array_equal(read(path, label=["joy"]).labels, [[1, 0, 0], [0, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("held", ["", "-1"])
def test_a_test_file_whose_columns_say_nothing_has_its_labels_withheld(tmp_path: Path, held: str) -> None:
    path = write(tmp_path / "a.tsv", "text\tjoy\tanger", f"x\t{held}\t{held}", f"y\t{held}\t{held}")
    split = read(path, label=["joy", "anger"], labelled=None)
    assert split.labels is None
    assert split.withheld
    bare = write(tmp_path / "b.tsv", "text\tjoy", "x\t1")
    assert read(bare, label=["joy", "anger"], labelled=None).labels is None


@pytest.mark.parametrize(
    ("lines", "more", "told"),
    [
        (["x\tjoy||love"], {"labels_separator": "|"}, "label 'joy||love' is no list of classes: there is nothing"),
        (["x\tjoy|hate"], {"labels_separator": "|"}, "label 'hate' is none of: joy, anger, love"),
        (["x\tjoy"], {}, "label 'joy' is no list of classes"),
        (["x\t"], {}, "no label in column 'label'"),
        (["x\t2"], {"label": ["label"]}, "column 'label' is neither 0 nor 1: '2'"),
        (["x\t1"], {"label": ["label", "anger"]}, "there is no column 'anger'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, lines: list[str], more: Any, told: str) -> None:
    path = write(tmp_path / "a.tsv", "text\tlabel", *lines)
    with pytest.raises(UserError) as caught:
        read(path, **more)
    assert told in str(caught.value)


def test_lists_of_what_is_no_name_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="column 'label' holds a list"):
        read(jsonl(tmp_path / "a.jsonl", [["joy"]]))


def test_classes_are_translated_one_by_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "text\tlabel", "x\tglad", "y\tbored", "z\tadores|glad|happy")
    mapping = {"glad": "joy", "happy": "joy", "adores": "love", "bored": None}
    np.testing.assert_array_equal(read(path, labels_separator="|", labels=mapping).labels, SETS)
    with pytest.raises(UserError, match="label 'bored' is none of those that 'labels' translates: glad, happy"):
        read(path, labels_separator="|", labels={"glad": "joy", "happy": "joy", "adores": "love"})


def task(**more: Any) -> TaskRecipe:
    return TaskRecipe.model_validate({"kind": "multilabel", "text": "text", "files": {"train": "a.tsv"}, **more})


def test_columns_are_the_classes_where_none_are_named() -> None:
    assert task(label=["toxic", "insult"]).kind.class_names == ["toxic", "insult"]
    translated = task(label=["a", "b", "c"], labels={"a": "x", "b": "y", "c": "x"})
    assert translated.kind.class_names == ["x", "y"]
    with pytest.raises(ValueError, match="'label': the column 'rude' is no class: label 'rude' is none of: a, b"):
        task(label=["a", "rude"], classes=["a", "b"])


@pytest.mark.parametrize("more", [{"label": ["a", "b"]}, {"label": "a", "labels_separator": "|"}])
def test_sets_are_for_the_kind_that_has_them(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="goes with 'kind: multilabel', and only with it"):
        task(kind="binary", **more)


def test_a_separator_goes_with_one_column() -> None:
    with pytest.raises(ValueError, match="'labels_separator' goes with one column"):
        task(label=["a", "b"], labels_separator="|")


def test_a_column_named_twice_is_told_as_such() -> None:
    with pytest.raises(ValueError, match="'label' names a column twice"):
        task(label=["a", "a", "c"])


def test_the_check_counts_each_class(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", "text\tlabel", "x\tjoy", "y\t", "z\tlove|joy")
    files = task(classes=["joy", "anger", "love"], label="label", labels_separator="|")
    lines = render(check({"mood": (files, files.kind)}, tmp_path))
    assert "    labels: joy: 2 (66.7%), anger: 0 (0.0%), love: 1 (33.3%)" in lines
