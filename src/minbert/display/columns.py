"""Tables as data: columns for people and fields for programs, and the one way each is written.

A table's rows are objects of any kind. A column says what stands above it and what a row's cell says; a field says what
value of a row has its name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

Row = TypeVar("Row")

Fields = Mapping[str, Callable[[Row], Any]]
"""The values of a row by name, in order."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column that people read."""

    heading: str
    text: Callable[[Row], str]
    """A row's cell; empty where there is nothing to tell."""
    numeric: bool = True
    """Whether it holds figures, which are set from the right."""

    @property
    def justify(self) -> Literal["left", "right"]:
        """Where its cells are set, in rich's words."""
        return "right" if self.numeric else "left"


def filled(columns: Mapping[str, Column[Row]], rows: Collection[Row]) -> dict[str, Column[Row]]:
    """Return the columns that have something in them."""
    return {name: column for name, column in columns.items() if any(column.text(row) for row in rows)}


def cells(columns: Iterable[Column[Row]], row: Row) -> list[str]:
    """Return what a row has in each column."""
    return [column.text(row) for column in columns]


def fill(table: Table, columns: Collection[Column[Row]], rows: Iterable[Row], no_wrap: bool = False) -> None:
    """Add columns and rows to a table of the terminal."""
    for column in columns:
        table.add_column(column.heading, justify=column.justify, no_wrap=no_wrap)
    for row in rows:
        table.add_row(*cells(columns, row))


def markdown_table(columns: Collection[Column[Row]], rows: Iterable[Row], aligned: bool = False) -> str:
    """Return a table in Markdown, without a line feed at its end; ``aligned`` sets figures from the right."""
    rule = ["---:" if aligned and column.numeric else "---" for column in columns]
    lines = [[column.heading for column in columns], rule, *(cells(columns, row) for row in rows)]
    return "\n".join(f"| {' | '.join(escaped(cell) for cell in line)} |" for line in lines)


def escaped(cell: str) -> str:
    """Return a text whose bars end no cell in Markdown."""
    return cell.replace("|", "\\|")


def csv_table(fields: Fields[Row], rows: Iterable[Row]) -> str:
    """Return a line of names and a line a row, every number in full; what is None is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([value(row) for value in fields.values()] for row in rows)
    return text.getvalue()
