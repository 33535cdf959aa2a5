"""IMTL-L: losses are scaled, by learned factors, until all have the same size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from minbert.multitask.combination.base import Combination, Weigher
from minbert.multitask.combination.learned import LARGEST_LOGARITHM, Learned


class ImtlL(Combination):
    """``L = sum_i exp(s_i) L_i - s_i``, with ``s_i`` learned as well.

    The weight of a loss is ``exp(s_i)``; all begin at 1. ``s`` goes downhill by Adam on ``dL/ds_i = exp(s_i) L_i - 1``,
    which is 0 where each scaled loss is 1: the ``- s_i`` keeps all weights from going to 0.

    Departures from the paper. ``s`` has an optimizer of its own, without weight decay and schedule, and stays within 10
    of 0. The paper's gradient half, IMTL-G, is another method.

    It is uncertainty weighting, as we write it, with the sign of ``s`` turned round; the paper gets there without
    assuming a distribution.
    """

    name: ClassVar[str] = "imtl_l"
    title: ClassVar[str] = "losses scaled to one size by learned factors"
    source: ClassVar[str] = "Liu et al. 2021, 'Towards Impartial Multi-task Learning' (IMTL-L)"

    learning_rate: float = Field(
        1e-3, gt=0, allow_inf_nan=False, description="how far Adam moves the logarithm of a weight in a step"
    )

    def start(self, tasks: int) -> Weigher:
        """Return a weigher whose first weights are all 1."""
        return _ImtlLWeigher(tasks, self.learning_rate)


class _ImtlLWeigher(Weigher):
    def __init__(self, tasks: int, learning_rate: float) -> None:
        self._log_weights = Learned(torch.zeros(tasks), learning_rate)

    def weights(self) -> Tensor:
        return self._log_weights.value.exp()

    def update(self, losses: Tensor, gradient_norms: Tensor | None, generator: np.random.Generator) -> None:  # noqa: ARG002
        self._log_weights.descend(log_weight_gradient(self._log_weights.value, losses))
        self._log_weights.value.clamp_(-LARGEST_LOGARITHM, LARGEST_LOGARITHM)

    def state(self) -> dict[str, Tensor]:
        return self._log_weights.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._log_weights.restore(state)


def log_weight_gradient(log_weights: Tensor, losses: Tensor) -> Tensor:
    """Return the derivative (K,) of the objective by ``log_weights`` (K,) at the step's ``losses`` (K,)."""
    return log_weights.exp() * losses - 1
