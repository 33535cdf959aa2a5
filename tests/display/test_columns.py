"""One table of columns, as Markdown, as CSV and on a terminal."""

from __future__ import annotations

import io
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from minbert.display.columns import Column, csv_table, fill, filled, markdown_table


@dataclass
class Fruit:
    name: str
    weight: float | None


FRUITS = [Fruit("a | b", 1 / 3), Fruit("c, d", None)]
COLUMNS: dict[str, Column[Fruit]] = {
    "name": Column("fruit", lambda fruit: fruit.name, numeric=False),
    "weight": Column("kg", lambda fruit: "" if fruit.weight is None else f"{fruit.weight:.1f}"),
}


def test_markdown_keeps_bars_in_their_cells() -> None:
    columns = COLUMNS.values()
    assert markdown_table(columns, FRUITS) == "| fruit | kg |\n| --- | --- |\n| a \\| b | 0.3 |\n| c, d |  |"
    assert markdown_table(columns, FRUITS, aligned=True).splitlines()[1] == "| --- | ---: |"


def test_csv_has_every_number_in_full_and_nothing_for_none() -> None:
    text = csv_table({"name": lambda fruit: fruit.name, "weight": lambda fruit: fruit.weight}, FRUITS)
    assert text == f'name,weight\na | b,{1 / 3!r}\n"c, d",\n'


def test_a_terminal_sets_figures_from_the_right() -> None:
    table = Table(box=None, pad_edge=False)
    fill(table, COLUMNS.values(), FRUITS)
    console = Console(file=io.StringIO(), width=40)
    console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.rstrip() for line in lines] == ["fruit   kg", "a | b  0.3", "c, d"]


def test_a_column_without_anything_in_it_is_left_out() -> None:
    assert list(filled(COLUMNS, FRUITS)) == ["name", "weight"]
    assert list(filled(COLUMNS, FRUITS[1:])) == ["name"]
