"""Dynamic weight average: a loss counts the more, the less it has fallen of late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from minbert.multitask.combination.base import Combination, Weigher
from minbert.multitask.combination.learned import SMALLEST_LOSS, softmax_weights


class DynamicWeightAverage(Combination):
    """``weight_i = K softmax(L_i(n-1) / L_i(n-2) / temperature)``, from mean losses of the last two windows of steps.

    The weights stay as they are through window ``n``. In the first two windows all are 1.

    Departures from the paper. Its windows are epochs; ours are a number of steps, because an epoch of tasks of very
    different sizes is no common measure, and fine-tuning has few epochs. A loss below 1e-8 counts as 1e-8, and no
    weight is less than ``e**-30`` times another.
    """

    name: ClassVar[str] = "dwa"
    title: ClassVar[str] = "larger weights for losses that have fallen less of late"
    source: ClassVar[str] = "Liu, Johns & Davison 2019, 'End-to-End Multi-Task Learning with Attention'"

    temperature: float = Field(
        2.0, gt=0, allow_inf_nan=False, description="how alike the weights are; the higher, the more"
    )
    window: int = Field(100, ge=1, description="steps whose losses are averaged")

    def start(self, tasks: int) -> Weigher:
        """Return a weigher whose first weights are all 1."""
        return _DwaWeigher(tasks, self)


class _DwaWeigher(Weigher):
    def __init__(self, tasks: int, settings: DynamicWeightAverage) -> None:
        self._settings = settings
        self._sum = torch.zeros(tasks, dtype=torch.float64)  # of the window that is not over yet
        self._last = torch.zeros_like(self._sum)  # means of the last whole window, and of the one before
        self._before = torch.zeros_like(self._sum)
        self._steps = torch.zeros((), dtype=torch.float64)

    def weights(self) -> Tensor:
        if self._steps < 2 * self._settings.window:
            return torch.ones_like(self._sum)
        ratios = self._last.clamp(min=SMALLEST_LOSS) / self._before.clamp(min=SMALLEST_LOSS)
        return softmax_weights(ratios / self._settings.temperature)

    def update(self, losses: Tensor, gradient_norms: Tensor | None, generator: np.random.Generator) -> None:  # noqa: ARG002
        self._sum += losses
        self._steps += 1
        if self._steps % self._settings.window == 0:
            self._before.copy_(self._last)
            self._last.copy_(self._sum / self._settings.window)
            self._sum.zero_()

    def state(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self._tensors().items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        for name, tensor in self._tensors().items():
            tensor.copy_(state[name])

    def _tensors(self) -> dict[str, Tensor]:
        return {"sum": self._sum, "last": self._last, "before": self._before, "steps": self._steps}
