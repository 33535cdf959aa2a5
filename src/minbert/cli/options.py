"""What commands that run recipes have in common: changes by their options, and folders to run in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from minbert.files.paths import to_path

Force = Annotated[bool, typer.Option("--force", help="Replace files that are there; never one that is read.")]


def recipe_changes(data: str | None, encoder: str | None, seed: int | None = None) -> dict[str, Any]:
    """Return the keys of a recipe that options change, those that are given; a data folder as a whole path."""
    changes = {
        "data": data if data in (None, "sample") else str(to_path(data).resolve()),
        "encoder.name": encoder,
        "seed": seed,
    }
    return {key: value for key, value in changes.items() if value is not None}


def default_folder(source: str, resume: bool, holds_this_recipe: Callable[[Path], bool]) -> Path:
    """Return ``runs/NAME`` or, where that is taken, ``runs/NAME-2`` and so on; the newest of this recipe to resume.

    Args:
        source: the recipe's shipped name or path.
        resume: whether to look for a run to go on with.
        holds_this_recipe: whether a folder that is there holds a run of the recipe.
    """
    name = Path(source).stem if source.endswith((".yaml", ".yml")) else source.replace("/", "-")
    number = 1
    newest = None
    while (folder := Path("runs") / (name if number == 1 else f"{name}-{number}")).exists():
        if holds_this_recipe(folder):
            newest = folder
        number += 1
    return newest if resume and newest else folder
