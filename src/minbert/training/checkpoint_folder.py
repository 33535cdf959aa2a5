"""The checkpoints in a run's folder: the newest few, and the one before where the newest is damaged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from torch import Tensor, nn
from torch.optim import Optimizer

from minbert.errors import UserError
from minbert.files.durable import remove
from minbert.training.checkpoint import DamagedCheckpointError, LoopState, load_checkpoint, read_state, save_checkpoint

Read = TypeVar("Read")

CHECKPOINTS = "checkpoints"
"""In a run's folder: ``last-STEP.safetensors``."""

_NAME = re.compile(r"last-([0-9]+)\.safetensors")
_ONLY_ONE = "last.safetensors"
"""The one checkpoint of older versions; it goes as any other once there are newer ones."""


class CheckpointSettings(Protocol):
    """When a checkpoint is written beside each evaluation, and how many stay."""

    @property
    def checkpoint_minutes(self) -> float:
        """At least one is written in so many minutes."""

    @property
    def keep_checkpoints(self) -> int:
        """So many stay."""


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint in a run's folder, whole or not; None where there is none."""
    return next((path for _, path in _found(folder)), None)


def keep_checkpoint(
    folder: Path, keep: int, state: LoopState, model: nn.Module, optimizer: Optimizer, more: Mapping[str, Tensor]
) -> None:
    """Write a checkpoint (see ``save_checkpoint``), and then delete all but it and the ``keep - 1`` before it.

    Raises:
        UserError: it cannot be written, or does not read back as it was; those before stay.
    """
    save_checkpoint(folder / CHECKPOINTS / f"last-{state.step}.safetensors", state, model, optimizer, more)
    found = _found(folder)
    later = [path for step, path in found if step > state.step]  # the run went on from before them: they are damaged
    for path in later:
        remove(path)
    remove_old_checkpoints(folder, keep, state.step)


def remove_old_checkpoints(folder: Path, keep: int, step: int) -> None:
    """Delete all checkpoints before the newest ``keep`` up to ``step``; a process that was killed leaves one more."""
    for path in [path for at, path in _found(folder) if at <= step][keep:]:
        remove(path)


def load_newest(
    folder: Path, model: nn.Module, optimizer: Optimizer, tell: Callable[[str], None]
) -> tuple[LoopState, dict[str, Tensor]]:
    """Load the newest checkpoint that is whole (see ``load_checkpoint``); ``tell`` a line of each that is not.

    Raises:
        UserError: none is whole, or it belongs to another model.
    """
    return _newest_whole(folder, lambda path: load_checkpoint(path, model, optimizer), tell)


def newest_state(folder: Path) -> LoopState:
    """Return where the loop of the run in ``folder`` stood at its last checkpoint; at step 0 where there is none.

    Raises:
        UserError: none is whole.
    """
    return _newest_whole(folder, read_state, lambda _: None) if newest_checkpoint(folder) else LoopState()


def _newest_whole(folder: Path, read: Callable[[Path], Read], tell: Callable[[str], None]) -> Read:
    *newer, oldest = [path for _, path in _found(folder)]
    for path in newer:
        try:
            return read(path)
        except DamagedCheckpointError as error:
            tell(f"{error}, so the one before it is used")
    try:
        return read(oldest)
    except DamagedCheckpointError as error:
        raise UserError(f"{error}, and there is none before it. Delete {folder} and start anew.") from None


def _found(folder: Path) -> list[tuple[int, Path]]:
    """Return the checkpoints in a run's folder with their steps, the newest first."""
    place = folder / CHECKPOINTS
    paths = list(place.iterdir()) if place.is_dir() else []
    found = [(int(match[1]), path) for path in paths if (match := _NAME.fullmatch(path.name))]
    return sorted(found, reverse=True) + [(-1, path) for path in paths if path.name == _ONLY_ONE]
