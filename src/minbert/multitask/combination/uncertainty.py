"""Uncertainty weighting: a loss counts the less, the noisier its task is found to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from minbert.multitask.combination.base import Combination, Weigher
from minbert.multitask.combination.learned import LARGEST_LOGARITHM, Learned


class Uncertainty(Combination):
    """``L = sum_i exp(-s_i) L_i + s_i``, with ``s_i``, the logarithm of task ``i``'s noise variance, learned as well.

    The weight of a loss is ``exp(-s_i)``; all begin at 1. ``s`` goes downhill by Adam on
    ``dL/ds_i = 1 - exp(-s_i) L_i``, from the losses of the very step that its weights served; left alone, it settles
    where the weight is one over the loss.

    Departures from the paper. Its equation for a Gaussian likelihood, ``L_i / (2 sigma^2) + log sigma``, is half of
    ours; for a softmax likelihood, ``L_i / sigma^2 + log sigma``, it has ``s_i / 2`` where we have ``s_i``, and so
    settles at half our weight. We use one form for all tasks. ``s`` has an optimizer of its own, without weight decay
    and schedule, and stays within 10 of 0, because a loss that reaches 0 would drive its weight up without end.

    In this form it is IMTL-L with the sign of ``s`` turned round.
    """

    name: ClassVar[str] = "uncertainty"
    title: ClassVar[str] = "each loss over its task's noise, which is learned"
    source: ClassVar[str] = "Kendall, Gal & Cipolla 2018, 'Multi-Task Learning Using Uncertainty', section 3.2"

    learning_rate: float = Field(
        1e-3, gt=0, allow_inf_nan=False, description="how far Adam moves the logarithm of a variance in a step"
    )

    def start(self, tasks: int) -> Weigher:
        """Return a weigher whose first weights are all 1."""
        return _UncertaintyWeigher(tasks, self.learning_rate)


class _UncertaintyWeigher(Weigher):
    def __init__(self, tasks: int, learning_rate: float) -> None:
        self._log_variances = Learned(torch.zeros(tasks), learning_rate)

    def weights(self) -> Tensor:
        return (-self._log_variances.value).exp()

    def update(self, losses: Tensor, gradient_norms: Tensor | None, generator: np.random.Generator) -> None:  # noqa: ARG002
        self._log_variances.descend(log_variance_gradient(self._log_variances.value, losses))
        self._log_variances.value.clamp_(-LARGEST_LOGARITHM, LARGEST_LOGARITHM)

    def state(self) -> dict[str, Tensor]:
        return self._log_variances.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._log_variances.restore(state)


def log_variance_gradient(log_variances: Tensor, losses: Tensor) -> Tensor:
    """Return the derivative (K,) of the objective by ``log_variances`` (K,) at the step's ``losses`` (K,)."""
    return 1 - (-log_variances).exp() * losses
