"""Steps of one task, whatever other tasks the recipe has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from minbert.data.schedules.base import Schedule, StepCount, TaskSize, batches_of, check_sizes


class Single(Schedule):
    """Only ``task`` is trained. The others are scored all the same: with fresh heads, over what the encoder became."""

    name: ClassVar[str] = "single"
    title: ClassVar[str] = "one task alone is trained; the others are only scored"
    source: ClassVar[str] = "the single-task baselines of Gao, table 1, and of Li & Ya, table 1"

    task: str = Field(description="the task that is trained")
    epoch: StepCount | str = Field(
        "all",
        description="what an epoch is: all, longest, shortest, a task's name, or a number of steps",
    )

    def steps_per_epoch(self, sizes: Mapping[str, TaskSize]) -> int:
        check_sizes(sizes)
        if self.task not in sizes:
            raise ValueError(f"task: '{self.task}' is none of the recipe's tasks: {', '.join(sizes)}")
        if isinstance(self.epoch, int):
            return self.epoch
        return batches_of(self.task if self.epoch == "all" else self.epoch, sizes)

    def _takes_part(self, sizes: Mapping[str, TaskSize], epoch: int, epochs: int, seed: int) -> NDArray[np.bool_]:  # noqa: ARG002
        takes_part = np.zeros((self.steps_per_epoch(sizes), len(sizes)), np.bool_)
        takes_part[:, list(sizes).index(self.task)] = True
        return takes_part
