"""Rows of a file, one at a time, whatever its format: CSV, TSV, JSON lines or Parquet, or standard input.

A file may be larger than memory. What is wrong with a single row does not stop the reading: a ``Problem`` is yielded in
its place, so a caller may stop at the first one or collect them all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from minbert.data.delimited import read_delimited
from minbert.data.jsonl import read_jsonl
from minbert.data.lines import Line, read_lines
from minbert.data.parquet import read_parquet
from minbert.data.places import names_beside
from minbert.data.row import Problem, Row
from minbert.errors import UserError, did_you_mean

__all__ = ["Problem", "Row", "read_rows"]

standard_input = Path("-")

_readers: dict[str, Callable[[BinaryIO, Path], Iterator[Row | Problem]]] = {
    ".csv": lambda stream, path: read_delimited(read_lines(stream, path), path, delimiter=None),
    ".tsv": lambda stream, path: read_delimited(read_lines(stream, path), path, delimiter="\t"),
    ".jsonl": lambda stream, path: read_jsonl(read_lines(stream, path), path),
    ".parquet": read_parquet,
}


def read_rows(path: Path) -> Iterator[Row | Problem]:
    """Yield the rows of ``path``, whose suffix tells its format; ``-`` is standard input.

    A ``.csv`` file may be tab-separated: a tab in its header decides. Standard input holds JSON lines if its first
    character that is not blank is ``{``, and tab-separated rows otherwise.

    Raises:
        UserError: there is no such file, it cannot be read, its format is unknown, or it cannot be used as a whole
            (see ``read_delimited`` and ``read_parquet``).
    """
    if path == standard_input:
        yield from _read_standard_input(sys.stdin.buffer)
        return
    try:
        with path.open("rb") as stream:
            if path.suffix.lower() not in _readers:
                known = ", ".join(_readers)
                raise UserError(f"{path}: the name must end in one of: {known}, which tell the file's format.")
            yield from _readers[path.suffix.lower()](stream, path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file{did_you_mean(path.name, names_beside(path))}.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _read_standard_input(stream: BinaryIO) -> Iterator[Row | Problem]:
    path = Path("<stdin>")
    lines = read_lines(stream, path)
    first = next((line for line in lines if line.text.strip()), None)
    every: Iterator[Line] = chain([first] if first else [], lines)
    if first is not None and first.text.lstrip().startswith("{"):
        yield from read_jsonl(every, path)
    else:
        yield from read_delimited(every, path, delimiter="\t")
