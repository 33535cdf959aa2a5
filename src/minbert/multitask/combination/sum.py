"""The plain sum of losses."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from minbert.multitask.combination.base import Combination, Weigher


class Sum(Combination):
    """``L = sum_i weight_i L_i`` with the tasks' own fixed weights (``tasks.NAME.weight``)."""

    name: ClassVar[str] = "sum"
    title: ClassVar[str] = "the sum of the tasks' losses, each times its task's fixed weight"
    source: ClassVar[str] = "Caruana 1997; the papers' cumulative loss"

    def start(self, tasks: int) -> Weigher:
        """Return a weigher whose weights are all 1."""
        return _Ones(tasks)


class _Ones(Weigher):
    def __init__(self, tasks: int) -> None:
        self._ones = torch.ones(tasks, dtype=torch.float64)

    def weights(self) -> Tensor:
        return self._ones
