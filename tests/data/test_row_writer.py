"""Rows written in every format, read back, and never left behind in part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from full_disk import full_disk
from minbert.data import row_writer as row_writer_module
from minbert.data.row_writer import ROW_FORMATS, Holds, row_writer
from minbert.data.rows import Row, read_rows
from minbert.errors import UserError

COLUMNS: dict[str, Holds] = {"id": "text", "topics": "texts", "probability_a b": "number"}
ROWS: list[list[Any]] = [[f"r{n}", ["größer", 'a,"b"'][: n % 3], n / 8] for n in range(10)]


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_writer_module, "ROWS_IN_GROUP", 4)


def write(path: Path, rows: list[list[Any]] = ROWS) -> None:
    with row_writer(path, COLUMNS) as write_row:
        for row in rows:
            write_row(row)


@pytest.mark.parametrize("suffix", ROW_FORMATS)
def test_our_own_reader_reads_what_was_written(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"out{suffix}")
    rows = [row for row in read_rows(tmp_path / f"out{suffix}") if isinstance(row, Row)]
    assert [row.values["id"] for row in rows] == [row[0] for row in ROWS]
    assert [float(row.values["probability_a b"]) for row in rows] == [row[2] for row in ROWS]
    assert [row.lists.get("topics") or row.values["topics"] for row in rows][:3] == [
        "[]",
        '["größer"]',
        '["größer", "a,\\"b\\""]',
    ]


def test_parquet_has_types_and_groups_whatever_the_first_rows_hold(tmp_path: Path) -> None:
    write(tmp_path / "out.parquet", [["1", [], 0.0]] * 4 + ROWS)
    file = pyarrow.parquet.ParquetFile(tmp_path / "out.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4, 4, 4, 2]
    assert [str(field.type) for field in file.schema_arrow] == ["string", "list<element: string>", "double"]
    assert [list(row.values()) for row in file.read().to_pylist()[4:]] == ROWS


@pytest.mark.parametrize("suffix", ROW_FORMATS)
def test_without_rows_the_file_names_its_columns(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"out{suffix}", [])
    assert list(read_rows(tmp_path / f"out{suffix}")) == []
    if suffix == ".parquet":
        assert pyarrow.parquet.read_table(tmp_path / "out.parquet").column_names == list(COLUMNS)


@pytest.mark.parametrize("suffix", ROW_FORMATS)
def test_what_stood_there_stays_where_the_writing_fails(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), row_writer(path, COLUMNS) as write_row:
        for row in ROWS:
            write_row(row)
        raise KeyboardInterrupt
    with full_disk(0), pytest.raises(UserError, match=r"cannot be written \(File too large"):
        write(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
