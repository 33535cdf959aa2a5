"""Runs in TensorBoard: a scalar for each number of the history, in the folder ``tensorboard`` of the run's own."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minbert.errors import UserError

if TYPE_CHECKING:
    from torch.utils.tensorboard import FileWriter

FOLDER = "tensorboard"

_RECIPE = "recipe"
_KEPT = "kept"
_LAST_OF_LINE = "dev/overall"

# Where a part of a line stands among the scalars, if not under its own name.
_NAMES = {
    "seconds": "time/train_seconds",
    "losses": "loss",
    "combination/norms": "gradients/norm",
    "combination/cosines": "gradients/cosine",
    "combination/conflicts": "gradients/conflicts",
    "combination/moved": "gradients/moved",
}


class TensorBoard:
    """Writes event files that ``tensorboard --logdir`` shows.

    A line of history is one event, so after a kill it is there as a whole or not at all, and a run that goes on adds
    the lines that are missing.
    """

    def __init__(self, folder: Path) -> None:
        """Track the run in ``folder``; writes nothing yet.

        Raises:
            UserError: the package tensorboard is not installed.
        """
        if importlib.util.find_spec("tensorboard") is None:
            raise UserError("--track tensorboard: needs the package tensorboard. Run: pip install 'minbert[tracking]'")
        self._folder = folder / FOLDER
        self._writer: FileWriter | None = None
        self._steps: set[int] = set()
        self._has_recipe = False
        self._has_kept = False

    def started(self, recipe: Mapping[str, Any]) -> None:
        """Write the recipe as a text, unless it is there; see what other lines are."""
        from torch.utils.tensorboard.summary import text

        if self._folder.is_dir():
            self._look()
        if not self._has_recipe:
            indented = "\n".join(f"    {line}" for line in json.dumps(recipe, indent=2).splitlines())
            self._write(text(_RECIPE, indented), 0)  # type: ignore[no-untyped-call]

    def recorded(self, line: Mapping[str, Any]) -> None:
        """Write one event with all numbers of a line, unless it is there."""
        if line["step"] not in self._steps:
            self._write(_summary(scalars(line)), line["step"])
            self._steps.add(line["step"])

    def finished(self, metrics: Mapping[str, Any]) -> None:
        """Write the kept model's scores at its step, unless they are there, and close the file."""
        if not self._has_kept:
            self._write(_summary(dict(_flat(metrics["dev"], _KEPT))), metrics["best_step"])
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, summary: Any, step: int) -> None:
        """Append one event to this process's file, which the first one begins.

        Raises:
            UserError: the folder cannot be written to.
        """
        from torch.utils.tensorboard import FileWriter

        try:
            if self._writer is None:
                self._writer = FileWriter(str(self._folder))
            self._writer.add_summary(summary, step)
            self._writer.flush()
        except OSError as error:
            raise UserError(
                f"{self._folder}: cannot be written ({error.strerror or error}). Free some space, or go on without "
                "--track."
            ) from error

    def _look(self) -> None:
        """Find out what event files are there already."""
        from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

        there = EventAccumulator(str(self._folder), size_guidance={SCALARS: 0})  # 0: all, instead of a sample
        there.Reload()
        tags = there.Tags()
        if _LAST_OF_LINE in tags["scalars"]:
            self._steps = {event.step for event in there.Scalars(_LAST_OF_LINE)}
        self._has_kept = any(tag.startswith(f"{_KEPT}/") for tag in tags["scalars"])
        self._has_recipe = f"{_RECIPE}/text_summary" in tags["tensors"]


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a line of history by the names that TensorBoard shows.

    ``loss/TASK``, ``dev/TASK/METRIC``, ``dev/overall``, ``combination/weights/TASK``, ``gradients/norm/TASK``,
    ``gradients/cosine/TASK.TASK``, ``gradients/conflicts/TASK.TASK``, ``regularization/TASK/METHOD/WHAT``, ...
    """
    named = {}
    for path, value in _flat({key: value for key, value in line.items() if key != "step"}):
        prefix = next((prefix for prefix in _NAMES if path == prefix or path.startswith(f"{prefix}/")), None)
        name = path if prefix is None else _NAMES[prefix] + path.removeprefix(prefix)
        named[name.replace("~", ".")] = value
    return named


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number in a tree of mappings with its path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}/{key}" if path else key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def _summary(numbers: Mapping[str, float]) -> Any:
    """Return one event's content."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=name, simple_value=number) for name, number in numbers.items()])
