"""One task's whole data, then the next one's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from minbert.data.schedules.base import TaskSize
from minbert.data.schedules.one_task import OneTaskSchedule


class Sequential(OneTaskSchedule):
    """In each epoch all batches of the first task, then all of the second, and so on."""

    name: ClassVar[str] = "sequential"
    title: ClassVar[str] = "one task's whole data, then the next one's, in every epoch"
    source: ClassVar[str] = "standard: multi-task fine-tuning, one task after the other"

    epoch: Literal["all"] = Field("all", description="what an epoch is: all rows of all tasks, once")

    def _order(self, sizes: Mapping[str, TaskSize], epoch: int, epochs: int, seed: int) -> NDArray[np.int64]:  # noqa: ARG002
        return np.repeat(np.arange(len(sizes)), [size.batches for size in sizes.values()])
