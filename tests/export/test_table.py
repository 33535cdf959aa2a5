"""The table of what formats carry is current, and its rows say what the formats say."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from minbert.export.formats import Format
from minbert.export.table import exportable, rows, with_table

PAGE = Path(__file__).parents[2] / "docs/export.md"


def test_the_page_has_the_table_as_it_is_now() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "run: make reference"


@pytest.mark.parametrize("name", sorted(Format.members))
def test_the_rows_hold_every_recipe_and_none_otherwise_than_the_format_says(name: str) -> None:
    written, told = Format.members[name], {}
    for row in rows(written):
        for choice in product(*row.choices):
            if choice in exportable():
                assert told.setdefault(choice, row.extent) == row.extent
    assert told.keys() == exportable().keys()
    assert told == {choice: written.carries(exported).extent for choice, exported in exportable().items()}
