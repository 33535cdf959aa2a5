"""``soup.json``: of which runs a soup was made."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from minbert.files.json_text import read_shaped
from minbert.run_folder.folder import SOUP


class _Ingredient(BaseModel):
    run: str


class _Soup(BaseModel):
    ingredients: list[_Ingredient]


_SHAPE = TypeAdapter(_Soup)


def soup_runs(folder: Path) -> list[Path]:
    """Return the runs that the soup in ``folder`` was made from, whether they were taken or not.

    Raises:
        UserError: there is no soup, or its file is damaged.
    """
    return [Path(ingredient.run) for ingredient in read_shaped(folder / SOUP, _SHAPE).ingredients]
