"""A batch of every task in every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from minbert.data.schedules.base import Schedule, StepCount, TaskSize, batches_of, check_sizes


class RoundRobin(Schedule):
    """Every step has a batch of every task; a task that runs out starts another pass."""

    name: ClassVar[str] = "round_robin"
    title: ClassVar[str] = "a batch of every task in every step"
    source: ClassVar[str] = "standard: losses of all tasks summed each step, shorter sets looped"

    epoch: StepCount | str = Field(
        "longest",
        description="what an epoch is: longest, shortest, a task's name, or a number of steps",
    )

    @field_validator("epoch")
    @classmethod
    def _not_all(cls, value: int | str) -> int | str:
        if value == "all":
            raise ValueError("every step has all tasks, so 'all' says nothing: give 'longest', 'shortest' or a task")
        return value

    def steps_per_epoch(self, sizes: Mapping[str, TaskSize]) -> int:
        check_sizes(sizes)
        return self.epoch if isinstance(self.epoch, int) else batches_of(self.epoch, sizes)

    def _takes_part(self, sizes: Mapping[str, TaskSize], epoch: int, epochs: int, seed: int) -> NDArray[np.bool_]:  # noqa: ARG002
        return np.ones((self.steps_per_epoch(sizes), len(sizes)), np.bool_)
