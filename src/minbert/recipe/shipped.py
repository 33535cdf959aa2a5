"""The recipes that ship with minbert, by name. Light: listing them loads nothing heavy."""

from __future__ import annotations

import functools
from importlib.resources import files
from pathlib import Path

from minbert.errors import UserError, did_you_mean
from minbert.files.paths import to_path

_PRETRAINING = "pretrain/"


def recipes_folder() -> Path:
    """Return where the shipped recipes are."""
    return Path(str(files("minbert"))) / "recipes"


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes of ``minbert train``: paths below the folder, without ``.yaml``."""
    return [name for name in _all_names() if not name.startswith(_PRETRAINING)]


def pretraining_recipe_names() -> list[str]:
    """Return the names of the shipped recipes of ``minbert pretrain``: those below ``pretrain/``."""
    return [name for name in _all_names() if name.startswith(_PRETRAINING)]


@functools.cache
def _all_names() -> tuple[str, ...]:
    folder = recipes_folder()
    return tuple(sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")))


def find_recipe(source: str, beside: Path | None = None) -> Path:
    """Return the file of a recipe: a shipped name, or a path (meant from ``beside``, by default from here).

    Raises:
        UserError: it is neither.
    """
    if source in _all_names():
        return recipes_folder() / f"{source}.yaml"
    path = (beside or Path()) / to_path(source)
    if path.is_file():
        return path.resolve()
    raise UserError(
        f"recipe '{source}': neither a shipped recipe nor a file{did_you_mean(source, _all_names())}. "
        "minbert recipes lists the shipped ones."
    )
