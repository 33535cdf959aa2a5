"""Names of columns that are given, because a file has no line for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from minbert.data.examples import read_split
from minbert.data.rows import Row, read_rows
from minbert.data.task_files import TaskFiles
from minbert.errors import UserError
from minbert.tasks.kinds import Kind

FILES: dict[str, Any] = {"files": {"train": "a.csv"}, "text": "text", "label": "label"}


def read(path: Path, content: str, header: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    path.write_bytes(content.encode())
    rows = list(read_rows(path, header))
    assert all(isinstance(row, Row) for row in rows)
    return [(row.line, row.values) for row in rows if isinstance(row, Row)]


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("a.csv", "1,so it was\n2,never\n", [(1, "1", "so it was"), (2, "2", "never")]),
        ("a.csv", "\n1,so it was\n", [(2, "1", "so it was")]),
        ("a.csv", '1,"so, it\nwas"\n2,never\n', [(1, "1", "so, it\nwas"), (3, "2", "never")]),
        ("a.csv", "1;so, it was, or not\n2;never\n", [(1, "1", "so, it was, or not"), (2, "2", "never")]),
        ("a.csv", "1\tso, it was\n", [(1, "1", "so, it was")]),
        ("a.csv", "sep=|\n1|so,it\n", [(2, "1", "so,it")]),
        ("a.tsv", '1\t"so it was\n2\tnever\n', [(1, "1", '"so it was'), (2, "2", "never")]),
        ("a.tsv", "1\tso, it was\n", [(1, "1", "so, it was")]),
        ("a.csv", "label,text\n1,so it was\n", [(2, "1", "so it was")]),  # its own header
        ("a.csv", "text;label\nso it was;1\n", [(2, "1", "so it was")]),
        ("a.jsonl", '{"label": 1, "text": "so it was"}\n', [(1, "1", "so it was")]),
    ],
)
def test_rows_have_the_given_names(
    file: str, content: str, expected: list[tuple[int, str, str]], tmp_path: Path
) -> None:
    found = read(tmp_path / file, content, ["label", "text"])
    assert found == [(line, {"label": label, "text": text}) for line, label, text in expected]


@pytest.mark.parametrize(
    "content", ["id,label,text\n1,0,so\n2,1,never; ever\n", "id\tlabel\ttext\n1\t0\tso, it\n2\t1\tno\n"]
)
def test_a_files_own_header_decides_what_separates_it(content: str, tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", content, ["label", "text"])
    assert [values["label"] for _, values in rows] == ["0", "1"]
    assert all(len(values) == 3 for _, values in rows)


def test_commas_in_texts_separate_less_than_semicolons(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", "0;so, it was\n1;never, ever\n", ["label", "text"])
    assert [values["text"] for _, values in rows] == ["so, it was", "never, ever"]


def test_a_column_without_a_name_is_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", "1,x,so it was\n", ["label", "", "text"]) == [
        (1, {"label": "1", "text": "so it was"})
    ]
    assert read(tmp_path / "a.tsv", "1\t\tso it was\n", ["label", "", "text"]) == [
        (1, {"label": "1", "text": "so it was"})
    ]


@pytest.mark.parametrize("file", ["a.csv", "a.tsv"])
def test_other_numbers_of_fields_are_told_of_the_recipe(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_text("1\tx\tso it was\n2\ty\tnever\n")
    with pytest.raises(
        UserError, match=r"recipe's 'header' has 2 fields, but every row has 3 \(see line 1\)\. Give 'header' one"
    ):
        list(read_rows(path, ["label", "text"]))
    path.write_text("so it was\n")
    with pytest.raises(
        UserError, match=r"'header' has 2 fields, but every row has 1 \(see line 1\)\. Give 'header' one name"
    ):
        list(read_rows(path, ["label", "text"]))
    path.write_text("")
    with pytest.raises(UserError, match="is empty"):
        list(read_rows(path, ["label", "text"]))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"header": ["label", "label", "text"]}, "'header' names a column twice"),
        ({"header": ["label", "words"]}, "'header' does not name the column 'text'"),
        ({"header": ["text", "mood"]}, "'header' does not name the column 'label'"),
        ({"header": ["label", "text"], "id": "key"}, "'header' does not name the column 'key'"),
        ({"header": []}, "at least 1 item"),
    ],
)
def test_a_header_that_cannot_be(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TaskFiles.model_validate(FILES | changes)


def test_a_shared_file_has_the_tasks_header_or_its_own() -> None:
    shared = [{"file": "b.csv"}, {"file": "c.csv", "header": ["text", "label"]}, {"file": "d.csv", "header": None}]
    files = TaskFiles.model_validate(FILES | {"header": ["label", "text"], "also_train_on": shared})
    assert [file.header for file in files.also_train_on] == [["label", "text"], ["text", "label"], None]


def test_a_split_is_read_by_the_header_of_the_task(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,so it was\n0,never\n")
    files = TaskFiles.model_validate(FILES | {"header": ["label", "text"]})
    split = read_split(path, files, Kind.model_validate("binary"))
    assert list(split.first) == ["so it was", "never"]
    assert split.labels is not None
    assert split.labels.tolist() == [1, 0]
