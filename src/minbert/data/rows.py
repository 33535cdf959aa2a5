"""Rows of a file, one at a time, whatever its format: CSV, TSV, JSON lines or Parquet, or standard input.

A file may be larger than memory. What is wrong with a single row does not stop the reading: a ``Problem`` is yielded in
its place, so a caller may stop at the first one or collect them all.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from minbert.data.delimited import read_delimited
from minbert.data.fasttext import PREFIX, read_fasttext
from minbert.data.jsonl import is_json, read_jsonl
from minbert.data.lines import UTF8, Line, read_lines
from minbert.data.opened import PACKED, PARQUET, opened, opened_standard_input
from minbert.data.parquet import read_parquet
from minbert.data.row import DELIMITERS, Problem, Row
from minbert.errors import UserError

__all__ = ["FORMATS", "Problem", "Row", "read_rows", "told_empty", "told_path"]

standard_input = Path("-")

_readers: dict[str, Callable[[Iterator[Line], Path, Sequence[str]], Iterator[Row | Problem]]] = {
    ".csv": lambda lines, path, header: read_delimited(lines, path, ",", header, header_decides=True),
    ".tsv": lambda lines, path, header: read_delimited(lines, path, "\t", header),
    ".jsonl": lambda lines, path, _: read_jsonl(lines, path),
}

FORMATS = (*_readers, PARQUET)
"""The suffixes of files of rows."""
SEPARATORS = {".csv": DELIMITERS, ".tsv": "\t"}
"""What may separate the fields of a format."""
_SAME_AS = {".ndjson": ".jsonl", ".json": ".jsonl", ".tab": ".tsv", ".txt": ".csv"}
"""Further suffixes, and the format that such files have if they hold rows."""
_MOST_OF_A_LINE = 1 << 20
"""Bytes."""
_LINES = 20
"""So many tell whether a text file is a table."""


def read_rows(path: Path, header: Sequence[str] = (), encoding: str = UTF8) -> Iterator[Row | Problem]:
    """Yield the rows of ``path``, whose suffix tells its format (``.gz`` may follow it); ``-`` is standard input.

    ``header`` names the columns of a CSV or TSV file that has no line for that (see ``read_header``). ``encoding`` is
    that of text.

    A ``.csv`` file is separated by what its header holds: see ``read_delimited``. ``.json`` is read as JSON lines (see
    ``read_jsonl``), ``.txt`` as ``.csv`` if it has tabs, or as many semicolons or bars on each line, and as fastText's
    if it begins with ``__label__``. Standard input holds JSON lines if it begins so, and otherwise rows that are
    separated by what its header holds, or by tabs; gzip is unpacked.

    Raises:
        UserError: there is no such file, it cannot be read, its format is unknown, or it cannot be used as a whole
            (see ``opened``, ``read_delimited``, ``read_jsonl`` and ``read_parquet``).
    """
    if path == standard_input:
        with opened_standard_input(stdin := Path(told_path(path))) as stream:
            yield from _read_standard_input(stream, stdin, header, encoding)
        return
    with opened(path) as (stream, _):
        if format_of(path) == PARQUET:
            yield from read_parquet(stream, path)
            return
        reader = _readers.get(format_of(path))
        if reader is None:
            known = ", ".join([*FORMATS, *_SAME_AS])
            raise UserError(f"{path}: the name must end in one of: {known}, which say the file's format.")
        if holds_labelled_lines(path):
            yield from read_fasttext(read_lines(stream, path, encoding), path)
            return
        if holds_lines(path):
            raise UserError(
                f"{path}: no table, as its lines have no tab, and not all as many semicolons or bars. If each line is "
                "one text, put a line before them that names their column ('text'), and give the file a name that ends "
                "in .tsv."
            )
        yield from reader(read_lines(stream, path, encoding), path, header)


def holds_rows(path: Path) -> bool:
    """Return whether a file is one of rows, by its suffix; of ``.txt`` and ``.json``, which tell little, by its start.

    Raises:
        UserError: its start counts and cannot be read.
    """
    suffix = _suffix(path)
    if suffix not in (".txt", ".json"):
        return format_of(path) in FORMATS
    with opened(path) as (stream, _):
        lines = [
            stream.readline(_MOST_OF_A_LINE).removeprefix(BOM_UTF8).strip()
            for _ in range(2 if suffix == ".json" else _LINES)
        ]
    first, second, *_ = lines
    if suffix == ".txt":
        if b"\t" in first or first.startswith(PREFIX.encode()):
            return True
        alike = [{line.count(by) for line in lines if line} for by in (b";", b"|")]
        return second != b"" and any(len(counts) == 1 and counts != {0} for counts in alike)
    if first.startswith(b"["):
        return (first[1:].lstrip() or second).startswith(b"{")
    return first.startswith(b"{") and first.endswith(b"}") and second.startswith(b"{")


def holds_lines(path: Path) -> bool:
    """Return whether a file is one of text, ``.txt``, that is no table.

    Raises:
        UserError: it cannot be read.
    """
    return _suffix(path) == ".txt" and not holds_rows(path)


def holds_labelled_lines(path: Path) -> bool:
    """Return whether a file is one of text, ``.txt``, in fastText's format.

    Raises:
        UserError: it cannot be read.
    """
    if _suffix(path) != ".txt":
        return False
    with opened(path) as (stream, _):
        return stream.readline(_MOST_OF_A_LINE).removeprefix(BOM_UTF8).startswith(PREFIX.encode())


def format_of(path: Path) -> str:
    """Return a file's format as its suffix tells it: ``.jsonl`` of ``rows.json.gz``."""
    return _SAME_AS.get(_suffix(path), _suffix(path))


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(PACKED)).suffix


def told_path(path: Path) -> str:
    """Return what messages call the place of rows."""
    return "<stdin>" if path == standard_input else str(path)


def told_empty(path: Path) -> str:
    """Return what is wrong with a file in which no row was read."""
    only = "" if format_of(path) == ".jsonl" else ", only the names of its columns"
    return f"{path}: holds no rows{only}."


def _read_standard_input(stream: BinaryIO, path: Path, header: Sequence[str], encoding: str) -> Iterator[Row | Problem]:
    lines = read_lines(stream, path, encoding)
    first = next((line for line in lines if line.text.strip()), None)
    every: Iterator[Line] = chain([first] if first else [], lines)
    if first is not None and is_json(first.text):
        yield from read_jsonl(every, path)
    else:
        yield from read_delimited(every, path, "\t", header, header_decides=True)
