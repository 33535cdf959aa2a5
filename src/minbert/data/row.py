"""What reading a file gives: rows, and the problems of those that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from minbert.errors import shown


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it starts on, from 1 (in a Parquet file, the row's number), and its fields by column."""

    line: int
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row cannot be used, and where it stands."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def checked_row(path: Path, line: int, values: dict[str, str]) -> Row | Problem:
    """Return the row, or a problem where a value is not proper text (formats that can hold such values use this)."""
    for column, value in values.items():
        if "\0" in value:
            return Problem(path, line, f"a NUL character in column '{shown(column)}'")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                return Problem(path, line, f"half of a surrogate pair in column '{shown(column)}'")
    return Row(line, values)


def as_text(value: object) -> str | None:
    """Return a typed value the way a text file would hold it; None for what is neither text nor a number.

    A missing value is the empty text; true and false are 1 and 0.

    Raises:
        UnicodeDecodeError: the value is bytes, but not UTF-8.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, bool):
        return str(int(value))
    return None if isinstance(value, list | dict) else str(value)
