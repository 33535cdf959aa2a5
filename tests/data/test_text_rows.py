"""The rows of a file that a model is asked about: checked whole where that can be, and read a few at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minbert.data.text_rows import TextRow, TextRows
from minbert.errors import UserError


def nothing(_done: int) -> None:
    pass


def test_rows_have_ids_lines_and_texts_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('key,a,b\nx, one ,"two\nlines"\ny,three,four\n')
    assert list(TextRows(path, ["a", "b"], "key")) == [
        TextRow(2, "x", (" one ", "two\nlines")),
        TextRow(4, "y", ("three", "four")),
    ]
    assert [row.id for row in TextRows(path, ["a"])] == ["1", "2"]
    assert [row.id for row in TextRows(path, ["a"], usual_id_column="key")] == ["x", "y"]
    assert [row.id for row in TextRows(path, ["a"], usual_id_column="number")] == ["1", "2"]
    path = tmp_path / "in.jsonl"  # a number could be another row's id
    path.write_text('{"a": "x", "key": 2}\n{"a": "y"}\n{"a": "z", "key": null}\n')
    assert [row.id for row in TextRows(path, ["a"], usual_id_column="key")] == ["2", "", ""]


def test_the_count_is_that_of_the_rows_and_finds_a_bad_one_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text\n" + "a\n" * 5000)
    done: list[int] = []
    assert TextRows(path, ["text"]).count(done.append) == 5000
    assert sum(done) == 4096
    with path.open("a") as file:
        file.write("a,b\n")
    with pytest.raises(UserError, match=r"in\.csv:5002: "):
        TextRows(path, ["text"]).count(nothing)


def test_what_can_be_read_only_once_is_not_touched(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.csv")  # reading it would wait for a writer
    assert TextRows(tmp_path / "in.csv", ["text"]).count(nothing) is None
    assert TextRows(Path("-"), ["text"]).count(nothing) is None


def test_a_file_that_is_not_there_is_told_when_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"in\.csv: no such file"):
        next(iter(TextRows(tmp_path / "in.csv", ["text"])))


def test_each_line_of_a_text_file_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text('\ufeffgood, but long; really\n\n  \nbad \r\nsaid "so\n', encoding="utf-8")
    texts = [TextRow(1, "1", ("good, but long; really",)), TextRow(4, "4", ("bad ",)), TextRow(5, "5", ('said "so',))]
    assert list(TextRows(path, ["review"])) == texts
    assert TextRows(path, ["review"]).count(nothing) == 3
    path.write_text("review\ngood\nreview\n")
    assert list(TextRows(path, ["review"])) == [TextRow(2, "2", ("good",)), TextRow(3, "3", ("review",))]
    path.write_bytes(b"good\nb\xe4d\n")
    with pytest.raises(UserError, match=r"in\.txt:2: .*UTF-8"):
        list(TextRows(path, ["review"]))


def test_a_text_file_that_is_a_table_or_has_to_be_one_is_read_as_such(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("key\treview\na\tgood\n")
    assert list(TextRows(path, ["review"])) == [TextRow(2, "1", ("good",))]
    path.write_text("good\nbad\n")
    for columns, own in ((["a", "b"], None), (["a"], "key")):
        with pytest.raises(UserError, match="no table, as its lines have no tab"):
            list(TextRows(path, columns, own))
