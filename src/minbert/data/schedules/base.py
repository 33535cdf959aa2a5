"""What a schedule is: the order in which batches of the tasks make the steps of a run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from minbert.data.schedules.stream import RowStream
from minbert.errors import did_you_mean
from minbert.methods import Method

Step = Mapping[str, NDArray[np.int64]]
"""The row numbers of each task that takes part in a step."""

StepCount = Annotated[int, Field(ge=1, strict=True)]


@dataclass(frozen=True, slots=True)
class TaskSize:
    """How much there is of a task."""

    rows: int
    """Its examples."""
    batch_size: int
    """Its examples a batch; a pass's last batch may be shorter."""

    @property
    def batches(self) -> int:
        """The batches of one pass over the rows."""
        return -(-self.rows // self.batch_size)


class Schedule(Method):
    """The order of the tasks' batches.

    Each task is a stream of passes over its rows, every pass in a new order, that goes on from epoch to epoch; a
    schedule says which streams give a batch to which step. A stream's order follows from the seed and the task's name
    alone, so it stays the same when other tasks come or go.
    """

    family: ClassVar[str] = "schedule"

    epoch: StepCount | str
    """How long an epoch is; which words are allowed, and which is the default, each schedule says."""

    @abstractmethod
    def steps_per_epoch(self, sizes: Mapping[str, TaskSize]) -> int:
        """Return the number of steps of an epoch.

        Raises:
            ValueError: there is no task, a task has no rows or an impossible batch size, or ``epoch`` names no task.
        """

    @abstractmethod
    def _takes_part(self, sizes: Mapping[str, TaskSize], epoch: int, epochs: int, seed: int) -> NDArray[np.bool_]:
        """Return (steps of an epoch, tasks): whether a task, in the order of ``sizes``, gives a batch to a step."""

    def steps(self, sizes: Mapping[str, TaskSize], epochs: int, seed: int, skip: int = 0) -> Iterator[tuple[int, Step]]:
        """Return the steps of a run, each with its epoch (counted from 1), without the first ``skip`` of them.

        The same arguments give the same steps; with ``skip``, exactly those that would have come.

        Raises:
            ValueError: as for ``steps_per_epoch``, or ``epochs`` or ``skip`` is negative.
        """
        steps_per_epoch = self.steps_per_epoch(sizes)
        if epochs < 0 or skip < 0:
            raise ValueError(f"epochs ({epochs}) and skip ({skip}) cannot be negative")
        return self._steps(sizes, steps_per_epoch, epochs, seed, skip)

    def _steps(
        self, sizes: Mapping[str, TaskSize], steps_per_epoch: int, epochs: int, seed: int, skip: int
    ) -> Iterator[tuple[int, Step]]:
        tasks = list(sizes)
        streams = [RowStream(size.rows, size.batch_size, seed, task) for task, size in sizes.items()]
        batches_given = np.zeros(len(tasks), np.int64)
        for epoch in range(1, epochs + 1):
            takes_part = self._takes_part(sizes, epoch, epochs, seed)
            skipped = min(skip, steps_per_epoch)
            skip -= skipped
            batches_given += takes_part[:skipped].sum(axis=0)
            for row in takes_part[skipped:]:
                yield epoch, {tasks[i]: streams[i].batch(int(batches_given[i])) for i in np.flatnonzero(row)}
                batches_given += row


def check_sizes(sizes: Mapping[str, TaskSize]) -> None:
    """Check that there is a batch to draw of every task, and a task at all.

    Raises:
        ValueError: there is none; the message names the task.
    """
    if not sizes:
        raise ValueError("a schedule needs at least one task")
    for task, size in sizes.items():
        if size.rows < 1:
            raise ValueError(f"task '{task}' has no rows to train on")
        if size.batch_size < 1:
            raise ValueError(f"task '{task}' has a batch size of {size.batch_size}; it must be 1 or more")


def batches_of(epoch: str, sizes: Mapping[str, TaskSize]) -> int:
    """Return the batches of the ``longest`` or ``shortest`` task, or else of the task named.

    Raises:
        ValueError: there is no task of that name.
    """
    if epoch == "longest":
        return max(size.batches for size in sizes.values())
    if epoch == "shortest":
        return min(size.batches for size in sizes.values())
    if epoch in sizes:
        return sizes[epoch].batches
    known = ["longest", "shortest", *sizes]
    hint = did_you_mean(epoch, known)
    raise ValueError(f"epoch: '{epoch}' is no task{hint}; give a number of steps or one of: {', '.join(known)}")
