"""Writing rows to a file whose suffix tells the format, or to standard output."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from minbert.errors import UserError
from minbert.files import atomic_path


@contextmanager
def row_writer(output: Path | None, header: list[str]) -> Iterator[Callable[[list[Any]], None]]:
    """Give a function that writes one row; a file appears only when all rows are written.

    Without ``output`` they go to standard output, tab-separated.

    Raises:
        UserError: see ``check_writable``; or the file cannot be written.
    """
    if output is None:
        yield _lines(sys.stdout, header, ".tsv")
        return
    check_writable(output)
    with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        yield _lines(file, header, output.suffix)


def check_writable(output: Path) -> None:
    """Check that the suffix tells a format that can be written.

    Raises:
        UserError: it does not.
    """
    if output.suffix not in (".tsv", ".csv", ".jsonl"):
        raise UserError(f"{output}: the name must end in .tsv, .csv or .jsonl, which tell the format to write.")


def _lines(file: IO[str], header: list[str], suffix: str) -> Callable[[list[Any]], None]:
    if suffix == ".jsonl":

        def write_json(cells: list[Any]) -> None:
            file.write(json.dumps(dict(zip(header, cells, strict=True)), ensure_ascii=False) + "\n")

        return write_json
    table = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n")
    table.writerow(header)

    def write_row(cells: list[Any]) -> None:
        table.writerow(cells)

    return write_row
