"""Schedules that draw each step's task at random, by the tasks' sizes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from minbert.data.schedules.base import TaskSize
from minbert.data.schedules.one_task import OneTaskSchedule
from minbert.randomness import generator


class SampledSchedule(OneTaskSchedule):
    """Each step's task is drawn with probability proportional to rows ** exponent; members say which exponent.

    1 follows the data, 0 treats tasks alike (Stickland & Murray 2019, "BERT and PALs", sampling of tasks).
    """

    @abstractmethod
    def exponent(self, epoch: int, epochs: int) -> float:
        """Return the exponent of epoch ``epoch`` (counted from 1) of ``epochs``."""

    def probabilities(self, sizes: Mapping[str, TaskSize], epoch: int, epochs: int) -> NDArray[np.float64]:
        """Return (tasks,): how likely each task is to be drawn, in the order of ``sizes``."""
        rows = np.array([size.rows for size in sizes.values()], np.float64)
        weights = (rows / rows.max()) ** self.exponent(epoch, epochs)
        return np.asarray(weights / weights.sum())

    def _order(self, sizes: Mapping[str, TaskSize], epoch: int, epochs: int, seed: int) -> NDArray[np.int64]:
        random = generator(seed, "schedule", epoch)
        return random.choice(len(sizes), self.steps_per_epoch(sizes), p=self.probabilities(sizes, epoch, epochs))
