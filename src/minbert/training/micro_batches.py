"""Cutting the rows of a step into micro-batches that fit in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from minbert.data.schedules import Step
from minbert.multitask.sequences import Indices
from minbert.training.rows import Rows


@dataclass(frozen=True, slots=True)
class TaskRows:
    """Some of one task's rows of a step."""

    task: str
    numbers: Indices
    of: int
    """How many rows the task has in the step."""

    @property
    def share(self) -> float:
        """These rows as a share of the task's rows in the step: what their mean loss counts."""
        return len(self.numbers) / self.of


def micro_batches(
    rows: Iterable[TaskRows], lengths: Mapping[str, Indices], budget: int, whole: Collection[str] = ()
) -> Iterator[list[TaskRows]]:
    """Yield micro-batches of at most ``budget`` tokens, each of the ``rows`` once, tasks in order.

    ``lengths`` holds each task's tokens a row. The rows of a task in ``whole`` stay together. A single row, or a task's
    whole rows, longer than the budget is a micro-batch of its own: nothing smaller can be computed.
    """
    micro_batch: list[TaskRows] = []
    room = budget
    for own in rows:
        task, numbers, start = own.task, own.numbers, 0
        ends = np.cumsum(lengths[task][numbers])
        while start < len(numbers):
            done = int(ends[start - 1]) if start else 0
            stop = int(np.searchsorted(ends, done + room, side="right"))
            if task in whole and stop < len(numbers):
                stop = start
            if stop <= start:  # nothing more fits; less than nothing does behind a row over the budget
                if micro_batch:
                    yield micro_batch
                    micro_batch, room = [], budget
                    continue
                stop = len(numbers) if task in whole else start + 1
            micro_batch.append(TaskRows(task, numbers[start:stop], own.of))
            room -= int(ends[stop - 1]) - done
            start = stop
    if micro_batch:
        yield micro_batch


def step_tokens(step: Step, lengths: Mapping[str, Indices]) -> int:
    """Return how many tokens the encoder reads in a step."""
    return sum(int(lengths[task][rows].sum()) for task, rows in step.items())


def row_lengths(rows: Mapping[str, Rows]) -> dict[str, Indices]:
    """Return each task's tokens a row."""
    return {task: own.sequences.row_lengths() for task, own in rows.items()}
