"""The geometric mean of the losses."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from minbert.errors import UserError
from minbert.multitask.combination.base import Combination, Surgeon
from minbert.multitask.combination.gramian import checked


class Geometric(Combination):
    """``L = (prod_i L_i)^(1/K)``, whose gradient has the weights ``L / (K L_i)``.

    So each task's share is by the ratio its loss changes in, whatever its scale. This is the paper's loss itself:
    losses that are equal give weights of ``1/K``, a ``K``-th of the plain sum. The weights need the step's own losses,
    so they act on gradients (``base``): on shared parameters only. A head keeps its task's plain gradient, where the
    gradient of the mean would have it times its weight.

    Losses must not be negative. One of 0 would get an infinite weight and all others 0; a loss below ``floor`` is taken
    as ``floor``, so every weight is finite. torchjd's ``GeometricMean`` is a loss of this value; its gradient is not
    finite there.
    """

    name: ClassVar[str] = "geometric"
    title: ClassVar[str] = "the geometric mean of the losses"
    source: ClassVar[str] = "Chennupati et al. 2019, 'MultiNet++', geometric loss strategy"

    floor: float = Field(1e-8, gt=0, allow_inf_nan=False, description="a smaller loss counts as this one")

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that remembers nothing."""
        return _GeometricMean(tasks, self.floor)


class _GeometricMean(Surgeon):
    def __init__(self, tasks: int, floor: float) -> None:
        self._tasks, self._floor = tasks, floor

    def weights(self, gramian: Tensor, losses: Tensor, generator: np.random.Generator) -> Tensor:  # noqa: ARG002
        checked(gramian, self._tasks)
        values = losses.detach().to("cpu", torch.float64)
        if values.shape != (self._tasks,) or not bool(torch.isfinite(values).all()):
            raise ValueError(f"the geometric mean needs {self._tasks} finite losses, not {values.tolist()}")
        if bool((values < 0).any()):
            raise UserError(
                f"combination 'geometric': a loss is negative ({float(values.min()):.6g}): no geometric mean; "
                "choose another combination, or losses that cannot be negative"
            )
        logs = values.clamp(min=self._floor).log()
        return (logs.mean() - logs).exp() / self._tasks
