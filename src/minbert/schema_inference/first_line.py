"""Whether a file's first line names its columns, or is a row; and what names would do."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

from minbert.data.delimiters import likely_delimiter
from minbert.data.lines import read_lines
from minbert.data.opened import PARQUET, opened
from minbert.data.rows import format_of
from minbert.errors import UserError, shown
from minbert.schema_inference.prose import holds_prose, holds_words
from minbert.schema_inference.tables import Column, Table, count_words
from minbert.schema_inference.words import says
from minbert.tasks.numbers import number

_ROLES = ("text", "part", "label", "score", "about")
"""Of words that headers have and rows seldom."""
_WITHOUT_A_HEADER = (".jsonl", PARQUET)
"""Formats whose rows name the columns."""


def check_first_lines(tables: Mapping[str, Table]) -> None:
    """Refuse a train file whose first line is a row.

    Raises:
        UserError: it is.
    """
    train = tables["train"]
    if format_of(train.path) in _WITHOUT_A_HEADER:
        return
    value = _value_for_a_header(train) or _unlike_all_headers(tables)
    if value is not None:
        raise UserError(
            f"its first line seems to be a row ('{shown(value)}'); put a line before it that names the columns, "
            f"such as: {_example(train)}"
        )


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


def _example(table: Table) -> str:
    """Return a line of names for the columns: of those that seem to hold texts and labels, ``text`` and ``label``."""
    fields, delimiter = _first_line(table)
    columns = [table.columns.get(field) for field in fields]
    texts = _texts([column for column in columns if column is not None])
    names = {column.name: name for name, column in texts.items()}
    if (label := _label(columns, [*texts.values()])) is not None:
        names[label.name] = "label"
    told = [names.get(field, f"c{place}") for place, field in enumerate(fields, start=1)]
    return ("<tab>" if delimiter == "\t" else delimiter).join(told)


def _first_line(table: Table) -> tuple[list[str], str]:
    """Return the fields of the first line, those that are empty too, and what separates them."""
    with opened(table.path) as (stream, _):
        first = next(line.content for line in read_lines(stream, table.path) if line.text.strip())
    delimiter = likely_delimiter(first) or "\t"
    quotes_mean_nothing = delimiter == "\t" and first.count('"') % 2
    fields = next(
        csv.reader([first], delimiter=delimiter, quoting=csv.QUOTE_NONE if quotes_mean_nothing else csv.QUOTE_MINIMAL)
    )
    fields = [field.strip() for field in fields]
    known = {field for field in fields if field} == table.columns.keys()
    return (fields if known else [*table.columns]), delimiter


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


def _label(columns: Sequence[Column | None], texts: Sequence[Column]) -> Column | None:
    """Return the column with the fewest different values; of pairs, one of scores with decimals, if there is one."""
    others = [c for c in columns if c is not None and c not in texts and not c.lists and len(c.counts) > 1]
    scores = [c for c in others if c.numbers > 0.9 and any("." in value for value in c.counts)]
    return min((len(texts) == 2 and scores) or others, key=lambda column: len(column.counts), default=None)
