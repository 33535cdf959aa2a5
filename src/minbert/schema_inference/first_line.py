"""Whether a file's first line names its columns, or is a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from minbert.data.delimiters import said_delimiter
from minbert.data.fields import OpenQuote, split_fields
from minbert.data.header import likely_width
from minbert.data.lines import read_lines
from minbert.data.opened import opened
from minbert.data.row import Row
from minbert.data.rows import SEPARATORS, format_of, holds_labelled_lines, read_rows
from minbert.schema_inference.tables import Column, count_words
from minbert.schema_inference.words import says
from minbert.tasks.numbers import number

_ROLES = ("text", "part", "label", "score", "about")
"""Of words that headers have and rows seldom."""
_MOST_ROWS = 2000
_LINES = 200
_FEW = 50
"""So few different values are names of classes."""


@dataclass(frozen=True)
class Start:
    """The start of a table, by place, as nobody knows yet whether its columns have names."""

    fields: Sequence[str]
    """Of the first line."""
    columns: Sequence[Column]
    """What the rows after it hold."""

    @property
    def is_known(self) -> bool:
        """Whether a short field of the first line is a word that headers have."""
        return any(count_words(name) <= 2 and says(name, *_ROLES) for name in self.fields)


def places(count: int) -> list[str]:
    """Return names for so many columns by their place."""
    return [f"column_{place}" for place in range(1, count + 1)]


def read_start(path: Path, encoding: str) -> Start | None:
    """Return the start of a file of CSV or TSV with two columns or more; None of any other.

    Raises:
        UserError: the file cannot be read.
    """
    if holds_labelled_lines(path):
        return None
    with opened(path) as (stream, _):
        lines = [line.content for line in islice(read_lines(stream, path, encoding), _LINES) if line.text.strip()]
    said = said_delimiter(lines[0]) if lines else None
    lines = lines[1:] if said else lines
    delimiter, width = likely_width(lines, said or SEPARATORS.get(format_of(path), ""))
    if width < 2:
        return None
    names = [f"\0{place}" for place in range(width)]  # no header has a NUL, so the first line is read as a row
    read = islice(read_rows(path, names, encoding), _MOST_ROWS)
    first = next(read, None)
    if isinstance(first, Row):
        fields = list(first.values.values())
    else:
        cut = split_fields(lines[0], delimiter)
        if isinstance(cut, OpenQuote) or len(cut) in (1, width):
            return None  # what is wrong with the line is told when all is read
        fields = cut
    rows = [row for row in read if isinstance(row, Row)]
    columns = [
        Column(place, [row.values[name].strip() for row in rows])
        for place, name in zip(places(width), names, strict=True)
    ]
    return Start([field.strip() for field in fields], columns)


def row_for_a_header(starts: Mapping[str, Start]) -> str | None:
    """Return a value in the train file's first line that tells that this is a row; None where it is a header."""
    train, *others = starts.values()
    if list(train.fields) == places(len(train.columns)) or any(other.fields == train.fields for other in others):
        return None  # no two files begin with the same row
    if len(train.fields) != len(train.columns):
        longest = max(train.fields, key=count_words, default="")
        return None if train.is_known or count_words(longest) < 3 else longest
    if _counts_columns(train.fields) or _names_texts(train):
        return None
    return _twice(train) or _sentence(train) or _own_value(train) or _unlike_all_headers(starts)


def lacks_its_header(start: Start, train: Start) -> bool:
    """Return whether a file's first line is a row like those of the train file, which has a header."""
    if len(start.fields) != len(train.fields) or set(start.fields) & set(train.fields):
        return False
    pairs = zip(start.fields, train.columns, strict=False)
    return any(field in column.counts and len(column.counts) < _FEW for field, column in pairs)


def has_a_header(start: Start, train: Start) -> bool:
    """Return whether a file's first line names columns, where that of the train file is a row.

    It then holds short words alone, and in a column of classes what neither file has as a class.
    """
    short = all(count_words(field) <= 3 and number(field) is None for field in start.fields)
    if not short or len(start.fields) != len(train.columns):
        return False
    return any(
        1 < len(of_train.counts) < _FEW and of_train.counts.keys() >= own.counts.keys() and field not in of_train.counts
        for field, own, of_train in zip(start.fields, start.columns, train.columns, strict=True)
    )


def _counts_columns(fields: Sequence[str]) -> bool:
    """Return whether a line is ``0,1,2``, as pandas writes it."""
    named = fields if fields[0] else fields[1:]  # above the numbers of rows stands nothing
    return list(named) == [str(place) for place in range(len(named))]


def _names_texts(start: Start) -> bool:
    """Return whether the first line has a short name above the longest texts, which all have more words."""
    field, column = max(zip(start.fields, start.columns, strict=True), key=lambda pair: pair[1].words)
    if column.words < 4 or not 0 < count_words(field) <= 2:
        return False
    short = sum(count for value, count in column.counts.items() if count_words(value) <= 2)
    pairs = zip(start.fields, start.columns, strict=True)
    classes = [value in column.counts for value, column in pairs if 1 < len(column.counts) < _FEW]
    names_classes = bool(classes) and all(classes)
    return says(field, "text", "part") or (short < 0.05 * column.filled and not names_classes)


def _twice(start: Start) -> str | None:
    """Return a field that comes twice, and is a value of its column or several words."""
    often = Counter(start.fields)
    for field, column in zip(start.fields, start.columns, strict=True):
        if often[field] > 1 and (field in column.counts or count_words(field) >= 4):
            return field
    return None


def _sentence(start: Start) -> str | None:
    longest = max(start.fields, key=count_words)
    return longest if count_words(longest) >= 5 and longest.endswith((".", "!")) and not start.is_known else None


def _own_value(start: Start) -> str | None:
    """Return a field that looks like a value of its column, as its own values say."""
    most_words = max(map(count_words, start.fields))
    known = start.is_known
    for field, column in zip(start.fields, start.columns, strict=True):
        own_value, few = field in column.counts, len(column.counts) < _FEW
        is_number = number(field) is not None
        tells = most_words > 4 or is_number
        if (
            (own_value and tells and (few or column.distinct_share < 0.5 or not known))
            or (own_value and few and most_words > 1 and not known)
            or (is_number and column.numbers > 0.9 and not known)
        ):
            return field
    return None


def _unlike_all_headers(starts: Mapping[str, Start]) -> str | None:
    """Return a field of several words where files of as many columns share none, and none is one that is known."""
    train, *others = starts.values()
    alike = [start for start in others if len(start.fields) == len(train.fields)]
    if not alike or any(set(start.fields) & set(train.fields) for start in others):
        return None
    longest = max(train.fields, key=count_words)
    return None if any(start.is_known for start in starts.values()) or count_words(longest) < 3 else longest
