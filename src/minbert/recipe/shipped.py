"""YAML files that ship with minbert, by name: recipes here, and others of their kind. Light: loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from minbert.errors import UserError, did_you_mean
from minbert.files.paths import names_beside, to_path


@dataclass(frozen=True)
class Shipped:
    """Files of one kind that ship: each has a name, its path below their folder without ``.yaml``."""

    kind: str
    """What one of them is called in a message."""
    folder: str
    """Where they are, from the package's own folder."""
    lister: str | None = None
    """The command that lists them, where they are too many for a message."""

    @cached_property
    def names(self) -> list[str]:
        """All names in order."""
        folder = self._folder
        return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))

    def find(self, source: str, beside: Path | None = None) -> Path:
        """Return the file of a name, or of a path (meant from ``beside``, by default from here).

        Raises:
            UserError: it is neither.
        """
        if source in self.names:
            return self._folder / f"{source}.yaml"
        path = (beside or Path()) / to_path(source)
        if path.is_file():
            return path.resolve()
        hint = did_you_mean(source, [*self.names, *names_beside(path)])
        known = f". {self.lister} lists the shipped ones." if self.lister else f"; known: {', '.join(self.names)}."
        raise UserError(f"{self.kind} '{source}': neither a shipped {self.kind} nor a file{hint}{known}")

    @property
    def _folder(self) -> Path:
        return Path(str(files("minbert"))) / self.folder


RECIPES = Shipped("recipe", "recipes", lister="minbert recipes")

_PRETRAINING = "pretrain/"


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes of ``minbert train``."""
    return [name for name in RECIPES.names if not name.startswith(_PRETRAINING)]


def pretraining_recipe_names() -> list[str]:
    """Return the names of the shipped recipes of ``minbert pretrain``: those below ``pretrain/``."""
    return [name for name in RECIPES.names if name.startswith(_PRETRAINING)]
