"""Whether a file's first line names its columns, or is a row; and what the columns are called then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from minbert.data.delimiters import likely_delimiter
from minbert.data.fields import OpenQuote, split_fields
from minbert.data.lines import read_lines
from minbert.data.opened import PARQUET, opened
from minbert.data.rows import format_of
from minbert.errors import printable, shown
from minbert.schema_inference.found import Findings
from minbert.schema_inference.prose import holds_prose, holds_words
from minbert.schema_inference.tables import Column, Table, count_words, read_table
from minbert.schema_inference.words import says
from minbert.tasks.numbers import number

_ROLES = ("text", "part", "label", "score", "about")
"""Of words that headers have and rows seldom."""
_WITHOUT_A_HEADER = (".jsonl", PARQUET)
"""Formats whose rows name the columns."""


def row_for_a_header(tables: Mapping[str, Table]) -> str | None:
    """Return a value in the train file's first line that tells that this is a row; None where it is a header."""
    train = tables["train"]
    if format_of(train.path) in _WITHOUT_A_HEADER:
        return None
    return _value_for_a_header(train) or _unlike_all_headers(tables)


def guess_header(path: Path, value: str, encoding: str, findings: Findings) -> list[str]:
    """Return names for the columns of a file whose first line is a row, as ``value`` in it tells, and set ``header``.

    Columns that seem to hold texts and labels are called ``text`` and ``label``, others ``column_3``.
    """
    table = read_table(path, [f"column_{place}" for place in range(1, _count_fields(path, encoding) + 1)], encoding)
    columns = [*table.columns.values()]
    texts = _texts(columns)
    names = {column.name: name for name, column in texts.items()}
    if (label := _label(columns, [*texts.values()])) is not None:
        names[label.name] = "label"
    header = [names.get(column.name, column.name) for column in columns]
    findings.set("header", header, "names of ours: the files have no line that names their columns")
    findings.unsure.append(
        f"the first line of {printable(path.name)} seems to be a row ('{shown(value)}'): what each column is was "
        "guessed from its values, see 'header'"
    )
    return header


def _value_for_a_header(table: Table) -> str | None:
    """Return a column's name that looks like a value of it, as its own values say."""
    most_words = max(map(count_words, table.columns), default=0)
    known = _is_known(table)
    for name, column in table.columns.items():
        own_value, few = name in column.counts, len(column.counts) < 50
        is_number = number(name) is not None
        tells = most_words > 4 or is_number
        if (
            (own_value and tells and (few or column.distinct_share < 0.5 or not known))
            or (own_value and few and most_words > 1 and not known)
            or (is_number and column.numbers > 0.9 and not known)
        ):
            return name
    return None


def _unlike_all_headers(tables: Mapping[str, Table]) -> str | None:
    """Return a name of several words where files of as many columns share none, and none is one that is known."""
    train, *others = tables.values()
    alike = [table for table in others if len(table.columns) == len(train.columns)]
    if not alike or any(table.columns.keys() & train.columns.keys() for table in others):
        return None
    longest = max(train.columns, key=count_words)
    return None if any(map(_is_known, tables.values())) or count_words(longest) < 3 else longest


def _is_known(table: Table) -> bool:
    return any(count_words(name) <= 2 and says(name, *_ROLES) for name in table.columns)


def _count_fields(path: Path, encoding: str) -> int:
    """Return how many fields the first row has."""
    with opened(path) as (stream, _):
        lines = read_lines(stream, path, encoding)
        first = next(line.content for line in lines if line.text.strip())
        delimiter = likely_delimiter(first) or "\t"
        fields = split_fields(first, delimiter)
        for more in lines if delimiter != "\t" else ():  # between tabs, quotes may mean nothing
            if not isinstance(fields, OpenQuote):
                break
            first += f"\n{more.content}"
            fields = split_fields(first, delimiter)
    return first.count(delimiter) + 1 if isinstance(fields, OpenQuote) else len(fields)


def _texts(columns: Sequence[Column]) -> dict[str, Column]:
    """Return the columns that seem to hold texts, by the names that they might have."""
    prose = [column for column in columns if holds_prose(column)]
    most = max((column.distinct_share for column in prose), default=0)
    prose = [column for column in prose if column.distinct_share >= 0.2 * most and not _has_digits(column)] or prose
    words = [column for column in columns if holds_words(column) and column.distinct_share > 0.5]
    longest = max(prose or words, key=lambda column: column.words, default=None)
    if longest is None:
        return {}
    if len(prose) != 2:
        return {"text": longest}
    title = prose[0].words < 0.5 * prose[1].words
    return dict(zip(("title", "text") if title else ("text1", "text2"), prose, strict=True))


def _has_digits(column: Column) -> bool:
    """Return whether every value has digits, as times and places have: ``Mon Apr 06 22:19:45 PDT 2009``."""
    return all(any(map(str.isdigit, value)) for value in column.counts)


def _label(columns: Sequence[Column], texts: Sequence[Column]) -> Column | None:
    """Return the column with the fewest different values; of pairs, one of scores with decimals, if there is one."""
    others = [c for c in columns if c not in texts and not c.lists and len(c.counts) > 1]
    scores = [c for c in others if c.numbers > 0.9 and any("." in value for value in c.counts)]
    return min((len(texts) == 2 and scores) or others, key=lambda column: len(column.counts), default=None)
