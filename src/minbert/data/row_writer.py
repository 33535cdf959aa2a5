"""Writing rows to a file whose suffix tells the format, or to standard output."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

from minbert.data.parquet_writer import parquet_writer
from minbert.files import atomic_path

ROW_FORMATS = (".tsv", ".csv", ".jsonl", ".parquet")
"""The suffixes of what can be written."""

Holds = Literal["text", "number", "texts"]
"""What a column holds in every row: a text, a number, or a list of texts."""

WriteRow = Callable[[list[Any]], None]
"""Called with the cells of one row, in the order of the columns."""

ROWS_IN_GROUP = 2**14
"""Rows of a Parquet file that are written together: a few megabytes."""


@contextmanager
def row_writer(output: Path | None, columns: Mapping[str, Holds]) -> Iterator[WriteRow]:
    """Give a function that writes one row; a file appears only when all rows are written.

    The suffix of ``output`` is one of ``ROW_FORMATS``. Without ``output`` rows go to standard output, tab-separated.
    However many rows are written, no more than ``ROWS_IN_GROUP`` are held.

    Raises:
        UserError: the file cannot be written.
    """
    header = list(columns)
    if output is None:
        # As in files: UTF-8 and line feeds, whatever the system's own are.
        stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield _lines(stream, header, ".tsv")
            stream.flush()
        finally:
            stream.detach()
        return
    suffix = output.suffix.lower()
    with atomic_path(output) as temporary:
        if suffix == ".parquet":
            with temporary.open("wb") as binary, _row_groups(binary, columns) as write:
                yield write
        else:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                yield _lines(file, header, suffix)


def _lines(file: IO[str], header: list[str], suffix: str) -> WriteRow:
    if suffix == ".jsonl":

        def write_json(cells: list[Any]) -> None:
            file.write(json.dumps(dict(zip(header, cells, strict=True)), ensure_ascii=False) + "\n")

        return write_json
    table = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n")
    table.writerow(header)

    def write_row(cells: list[Any]) -> None:
        table.writerow([json.dumps(cell, ensure_ascii=False) if isinstance(cell, list) else cell for cell in cells])

    return write_row


@contextmanager
def _row_groups(file: BinaryIO, columns: Mapping[str, Holds]) -> Iterator[WriteRow]:
    import pyarrow

    types = {"text": pyarrow.string(), "number": pyarrow.float64(), "texts": pyarrow.list_(pyarrow.string())}
    waiting: list[list[Any]] = []
    with parquet_writer(file, {name: types[holds] for name, holds in columns.items()}) as write_group:

        def flush() -> None:
            write_group(list(zip(*waiting, strict=True)))
            waiting.clear()

        def write_row(cells: list[Any]) -> None:
            waiting.append(cells)
            if len(waiting) == ROWS_IN_GROUP:
                flush()

        yield write_row
        if waiting:
            flush()
