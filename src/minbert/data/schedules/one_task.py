"""Schedules whose steps have one task each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from minbert.data.schedules.base import Schedule, StepCount, TaskSize, batches_of, check_sizes


class OneTaskSchedule(Schedule):
    """A step is one batch of one task; members say in what order the tasks come."""

    epoch: StepCount | str = Field(
        "all",
        description="what an epoch is: all, longest, shortest, a task's name, or a number of steps",
    )

    def steps_per_epoch(self, sizes: Mapping[str, TaskSize]) -> int:
        check_sizes(sizes)
        if isinstance(self.epoch, int):
            return self.epoch
        if self.epoch == "all":
            return sum(size.batches for size in sizes.values())
        return batches_of(self.epoch, sizes) * len(sizes)

    @abstractmethod
    def _order(self, sizes: Mapping[str, TaskSize], epoch: int, epochs: int, seed: int) -> NDArray[np.int64]:
        """Return (steps of an epoch,): the number of the task of each step, in the order of ``sizes``."""

    def _takes_part(self, sizes: Mapping[str, TaskSize], epoch: int, epochs: int, seed: int) -> NDArray[np.bool_]:
        return np.equal(self._order(sizes, epoch, epochs, seed)[:, None], np.arange(len(sizes)), dtype=np.bool_)
