"""One task a step, the tasks in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from minbert.data.schedules.base import TaskSize
from minbert.data.schedules.one_task import OneTaskSchedule


class Alternating(OneTaskSchedule):
    """One task a step, strictly in turn: an epoch goes on with the task after the last one of the epoch before."""

    name: ClassVar[str] = "alternating"
    title: ClassVar[str] = "one task a step, the tasks in turn"
    source: ClassVar[str] = "Stickland & Murray 2019, 'BERT and PALs', round robin sampling"

    def _order(self, sizes: Mapping[str, TaskSize], epoch: int, epochs: int, seed: int) -> NDArray[np.int64]:  # noqa: ARG002
        steps = self.steps_per_epoch(sizes)
        return np.arange((epoch - 1) * steps, epoch * steps) % len(sizes)
