"""What reading a file gives: rows, and the problems of those that cannot be used."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from minbert.errors import did_you_mean, shown
from minbert.tasks.numbers import number

DELIMITERS = "\t,;|"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it starts on, from 1 (in a Parquet file, the row's number), and its fields by column.

    ``unusable`` says of columns whose value is no text and no number what it is instead ("a list").
    """

    line: int
    values: dict[str, str]
    unusable: Mapping[str, str] = field(default_factory=dict, compare=False)
    lists: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Lists of texts or numbers, which are unusable but as labels, as JSON lists of texts."""
    nulls: Collection[str] = field(default=(), compare=False)
    """The columns that hold null, where the format tells it from an empty text; it is one in ``values``."""


class Flaw(NamedTuple):
    """What is wrong with a line, and what to do about it: a sentence that is told once for all lines alike."""

    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row cannot be used, and where it stands; ``advice`` as in ``Flaw``."""

    path: Path
    line: int
    message: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def checked_row(
    path: Path,
    line: int,
    values: dict[str, str],
    unusable: Mapping[str, str],
    lists: Mapping[str, str],
    nulls: Collection[str],
) -> Row | Problem:
    """Return the row, or a problem where a value is not proper text (formats that can hold such values use this)."""
    for column, value in chain(values.items(), lists.items()):
        if "\0" in value:
            return Problem(path, line, f"a NUL character in column '{shown(column)}'")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                return Problem(path, line, f"half of a surrogate pair in column '{shown(column)}'")
    return Row(line, values, unusable, lists, nulls)


def as_text(value: object) -> str | None:
    """Return a typed value the way a text file would hold it; None for what is neither text nor a number.

    A missing value, and a float that is no number, is the empty text; true and false keep their names, because only the
    task knows what they mean.

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
        return str(value).lower()
    if isinstance(value, float) and math.isnan(value):
        return ""
    return None if isinstance(value, list | dict) else str(value)


def list_text(value: list[Any]) -> str | None:
    """Return a list of texts and numbers as a JSON list of texts; None for a list of anything else.

    Raises:
        UnicodeDecodeError: see ``as_text``.
    """
    texts = [as_text(item) for item in value]
    return json.dumps(texts, ensure_ascii=False) if all(texts) else None


def missing_column(row: Row, columns: Collection[str]) -> str | None:
    """Return what is wrong if the row has not all of these columns, and which there are."""
    for column in columns:
        if column in row.unusable:
            return f"column '{shown(column)}' holds {row.unusable[column]}; give it one text or number a row."
        if column not in row.values:
            # A name with a delimiter in it is a header that was not split: taking it would take whole lines for texts.
            hint = did_you_mean(column, [name for name in row.values if not set(name) & set(DELIMITERS)])
            there = ", ".join(shown(name) for name in [*row.values, *row.unusable][:20])
            # As where the first line is a row.
            odd = any(number(name) is not None or len(name.split()) > 3 for name in row.values)
            advice = " If its first line is a row, name the columns in a line before it." if odd else ""
            return f"there is no column '{shown(column)}'{hint}. The columns are: {there}.{advice}"
    return None
