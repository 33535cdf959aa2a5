"""Showing a run to whoever watches it: what is told, and the trackers that can be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from minbert.errors import UserError, did_you_mean
from minbert.tracking.tensorboard import TensorBoard


class Tracker(Protocol):
    """Is told of a run as it goes. What it is told is what the run folder holds; it never changes the run."""

    def started(self, recipe: Mapping[str, Any]) -> None:
        """Hear what is trained, before the first line: the whole recipe, as JSON. A run that goes on starts again."""

    def recorded(self, line: Mapping[str, Any]) -> None:
        """Hear a line of ``history.jsonl``; its ``step`` is the line's name.

        A run that goes on tells all its lines from the first on. Those that the tracker has are not to be repeated.
        """

    def finished(self, metrics: Mapping[str, Any]) -> None:
        """Hear ``metrics.json``, once the run is complete; more than once where a complete run is resumed."""


TRACKERS: dict[str, Callable[[Path], Tracker]] = {"tensorboard": TensorBoard}
"""Every tracker by its name: what makes one for a run's folder, and writes nothing yet."""


def find_trackers(names: Sequence[str], folder: Path) -> list[Tracker]:
    """Return the trackers called ``names``, for the run in ``folder``, each once.

    Raises:
        UserError: there is no such tracker, or what it needs is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            hint = did_you_mean(name, TRACKERS)
            raise UserError(f"--track {name}: is no tracker{hint}; known: {', '.join(sorted(TRACKERS))}.")
    return [TRACKERS[name](folder) for name in dict.fromkeys(names)]
