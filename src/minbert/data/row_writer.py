"""Writing rows to a file whose suffix tells the format, or to standard output."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from minbert.files import atomic_path

ROW_FORMATS = (".tsv", ".csv", ".jsonl")
"""The suffixes of what can be written."""


@contextmanager
def row_writer(output: Path | None, header: list[str]) -> Iterator[Callable[[list[Any]], None]]:
    """Give a function that writes one row; a file appears only when all rows are written.

    The suffix of ``output`` is one of ``ROW_FORMATS``. Without ``output`` rows go to standard output, tab-separated.

    Raises:
        UserError: the file cannot be written.
    """
    if output is None:
        # As in files: UTF-8 and line feeds, whatever the system's own are.
        stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield _lines(stream, header, ".tsv")
            stream.flush()
        finally:
            stream.detach()
        return
    with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        yield _lines(file, header, output.suffix.lower())


def _lines(file: IO[str], header: list[str], suffix: str) -> Callable[[list[Any]], None]:
    if suffix == ".jsonl":

        def write_json(cells: list[Any]) -> None:
            file.write(json.dumps(dict(zip(header, cells, strict=True)), ensure_ascii=False) + "\n")

        return write_json
    table = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n")
    table.writerow(header)

    def write_row(cells: list[Any]) -> None:
        table.writerow([json.dumps(cell, ensure_ascii=False) if isinstance(cell, list) else cell for cell in cells])

    return write_row
