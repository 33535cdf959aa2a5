"""What a format is: what it can carry, how it is written, and how others load it."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from minbert.errors import UserError
from minbert.export.carrying import Carried, Exported
from minbert.multitask.model import MultitaskModel


class Format(ABC):
    """A form in which somebody else reads a model. One object for each is in ``members``; it holds no model."""

    members: ClassVar[dict[str, Format]] = {}
    """The known formats by name."""

    name: ClassVar[str]
    """What ``--to`` calls it."""
    title: ClassVar[str]
    """What is written, and who reads it, in a few words."""
    packages: ClassVar[tuple[str, ...]] = ()
    """What writing it imports beside minbert's own dependencies."""
    extra: ClassVar[str | None] = None
    """The extra of minbert's package that brings these."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Format.members[cls.name] = cls()

    @abstractmethod
    def carries(self, exported: Exported) -> Carried:
        """Return how much of a task it carries."""

    @abstractmethod
    def write(self, model: MultitaskModel, folder: Path) -> None:
        """Write a model, of whose tasks it refuses none, into an empty folder.

        Raises:
            UserError: it cannot be written.
        """

    @abstractmethod
    def usage(self, model: MultitaskModel) -> str:
        """Return, in Markdown, how what ``write`` wrote of ``model`` is loaded and asked: for the folder's page."""

    def metadata(self, model: MultitaskModel) -> Mapping[str, Any]:  # noqa: ARG002
        """Return what the hub wants to know of the folder, in its own keys; nothing where it is for no hub."""
        return {}

    def check_installed(self) -> None:
        """Check that all packages are there.

        Raises:
            UserError: one is missing.
        """
        missing = [package for package in self.packages if importlib.util.find_spec(package) is None]
        if missing:
            needed = f"pip install 'minbert[{self.extra}]'"
            raise UserError(f"--to {self.name}: needs {' and '.join(missing)}, not installed here. Run: {needed}")
