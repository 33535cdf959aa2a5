"""Parquet: the columns that are read, and damaged files."""

from __future__ import annotations

import datetime
import io
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minbert.data.rows import Problem, Row, read_rows
from minbert.errors import UserError


def parquet_bytes(columns: dict[str, pyarrow.Array]) -> bytes:
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), content)
    return content.getvalue()


whole = parquet_bytes({"text": pyarrow.array(["a", "b", "c"] * 50), "label": pyarrow.array([1.0, 2.5, 3.0] * 50)})


def test_columns_of_text_and_numbers_are_read(tmp_path: Path) -> None:
    columns = {
        "text": pyarrow.array(["a", None]),
        "large": pyarrow.array(["b", "c"], pyarrow.large_string()),
        "class": pyarrow.array([1, 2], pyarrow.int8()),
        "score": pyarrow.array([3.8, None]),
        "flag": pyarrow.array([True, False]),
        "nothing": pyarrow.nulls(2),
        "day": pyarrow.array([datetime.date(2020, 1, 1)] * 2),
        "tokens": pyarrow.array([["a"], []]),
    }
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes(columns))
    assert list(read_rows(tmp_path / "rows.parquet")) == [
        Row(1, {"text": "a", "large": "b", "class": "1", "score": "3.8", "flag": "true", "nothing": ""}),
        Row(2, {"text": "", "large": "c", "class": "2", "score": "", "flag": "false", "nothing": ""}),
    ]


def test_bad_text_in_one_row(tmp_path: Path) -> None:
    broken = pyarrow.array([b"a", b"\xff", b"a\0", b"d"]).view(pyarrow.string())
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes({"text": broken}))
    first, undecodable, with_nul, last = read_rows(tmp_path / "rows.parquet")
    assert (first, last) == (Row(1, {"text": "a"}), Row(4, {"text": "d"}))
    assert str(undecodable) == f"{tmp_path / 'rows.parquet'}:2: not UTF-8, in column 'text'"
    assert str(with_nul) == f"{tmp_path / 'rows.parquet'}:3: a NUL character in column 'text'"


def test_no_usable_column(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes({"tokens": pyarrow.array([["a"], []])}))
    with pytest.raises(UserError, match=r"rows\.parquet: no column holds text or numbers"):
        list(read_rows(tmp_path / "rows.parquet"))


def test_a_column_twice(tmp_path: Path) -> None:
    table = pyarrow.table([pyarrow.array(["a"])] * 2, names=["text", "text"])
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(UserError, match=r"rows\.parquet: there are two columns 'text'"):
        list(read_rows(tmp_path / "rows.parquet"))


@pytest.mark.parametrize("size", [0, 3, 4, 100, len(whole) // 2, len(whole) - 1])
def test_a_file_cut_short(tmp_path: Path, size: int) -> None:
    (tmp_path / "rows.parquet").write_bytes(whole[:size])
    with pytest.raises(UserError, match=r"rows\.parquet: not a whole Parquet file .* cut short"):
        list(read_rows(tmp_path / "rows.parquet"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parquet")


@given(position=st.integers(0, len(whole) - 1), value=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_damaged_file_gives_rows_problems_or_a_user_error(folder: Path, position: int, value: int) -> None:
    path = folder / "damaged.parquet"
    path.write_bytes(whole[:position] + bytes([value]) + whole[position + 1 :])
    try:
        for row in read_rows(path):
            assert isinstance(row, Row | Problem)
    except UserError as error:
        assert "damaged.parquet" in str(error)


def test_columns_of_other_types_are_told_as_such(tmp_path: Path) -> None:
    columns = {"text": pyarrow.array(["a"]), "tokens": pyarrow.array([["a"]]), "at": pyarrow.array([{"x": 1}])}
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes(columns))
    (row,) = read_rows(tmp_path / "rows.parquet")
    assert isinstance(row, Row)
    told = "values of the type {}, neither text nor number"
    assert row.unusable["at"] == told.format("struct<x: int64>") and set(row.unusable) == {"tokens", "at"}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads where Linux lists them")
def test_reading_starts_no_threads(tmp_path: Path) -> None:
    """A thread that frees what Python has read while Python ends aborts the process, in one of three processes."""
    columns = {"id": pyarrow.array(["a", "b"]), "label": pyarrow.array([1.0, 2.0])}
    columns["prediction"] = columns["label"]
    (tmp_path / "answers").mkdir()
    for name in ("rows.parquet", "answers/mood-dev.parquet"):
        (tmp_path / name).write_bytes(parquet_bytes(columns))
    script = f"""
import os
from pathlib import Path
import pyarrow.parquet
from minbert.data.rows import read_rows
from minbert.evaluation.answers import read_answers
before = len(os.listdir("/proc/self/task"))
folder = Path({str(tmp_path)!r})
assert len(list(read_rows(folder / "rows.parquet"))) == len(read_answers(folder, "mood", "dev")) == 2
print(len(os.listdir("/proc/self/task")) - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
