"""The shards of a step: what ranks share among themselves, and what dropout masks belong to.

A run has as many shards as it had ranks when it began, and keeps their number. So which rows a shard has, how they are
packed and which masks they see do not depend on how many ranks there are now, nor on which of them holds the shard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from minbert.data.schedules import Step
from minbert.machine.ranks import ranks
from minbert.multitask.sequences import Indices
from minbert.randomness import generator
from minbert.training.micro_batches import TaskRows


@dataclass(frozen=True, slots=True)
class Shards:
    """The shards of step number ``step`` of a run."""

    count: int = 1
    seed: int = 0
    """The run's."""
    step: int = 0

    def own(self) -> range:
        """Return which of them this rank holds: neighbours, so that ranks have a task's rows in order."""
        return ranks().share(self.count)

    def rows(self, step: Step, lengths: Mapping[str, Indices], shard: int) -> list[TaskRows]:
        """Return the rows of a shard, of each task as many tokens as of any shard, as nearly as whole rows allow.

        ``lengths`` holds each task's tokens a row. A task of which the shard has no row is left out.
        """
        cut = {task: rows[_part(lengths[task][rows], self.count, shard)] for task, rows in step.items()}
        return [TaskRows(task, rows, len(step[task])) for task, rows in cut.items() if len(rows)]

    def draw(self, *names: str | int) -> None:
        """Have torch draw what it draws next, such as dropout masks, as the seed, the step and ``names`` say."""
        torch.manual_seed(int(generator(self.seed, "dropout", self.step, *names).integers(2**63)))


def _part(lengths: Indices, count: int, shard: int) -> slice:
    """Return which of some rows of these ``lengths`` are the ``shard``-th of ``count`` parts: where its middle lies."""
    if count == 1:
        return slice(None)
    if not lengths.any():
        lengths = np.ones_like(lengths)
    ends = np.cumsum(lengths)
    middles = 2 * ends - lengths  # twice as far, so that all stay whole numbers
    parts = np.minimum(middles * count // max(1, 2 * int(lengths.sum())), count - 1)
    start, stop = np.searchsorted(parts, [shard, shard + 1])
    return slice(int(start), int(stop))
