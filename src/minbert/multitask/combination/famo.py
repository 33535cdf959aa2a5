"""FAMO: weights that let all losses fall at one rate, judged by the losses alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from minbert.multitask.combination.base import Combination, Weigher
from minbert.multitask.combination.learned import Learned, log_losses, softmax_weights


class Famo(Combination):
    """``weight_i = K c z_i / L_i`` with ``z = softmax(xi)`` and ``c = 1 / sum_j (z_j / L_j)``: downhill on log losses.

    ``xi`` goes downhill by Adam, as in the authors' code, on ``J^T (log L(before) - log L(after)) + gamma xi``, where
    ``J`` is the derivative of ``z`` by ``xi`` and before and after mean a step of the model: what has fallen more than
    the others loses weight. ``xi`` begins at 0.

    Departures from the paper:

    - It evaluates a step's own batch again after the step. We never do: "after" is the next step's losses, on other
      rows. The difference between the batches adds noise, most of which cancels from one step to the next; and ``xi``
      learns of a step one step late.
    - ``L_i`` in the weight is the loss of the step before, because weights are given before losses are known. In the
      first step all weights are 1.
    - The paper's weights add up to 1; ours to ``K``, so that a loss weighs 1 on average, as in ``sum``.
    - A loss below 1e-8 counts as 1e-8, and no weight is less than ``e**-30`` times another.
    """

    name: ClassVar[str] = "famo"
    title: ClassVar[str] = "weights that let all log losses fall at one rate"
    source: ClassVar[str] = "Liu et al. 2023, 'FAMO: Fast Adaptive Multitask Optimization', Algorithm 1"

    learning_rate: float = Field(
        0.025, gt=0, allow_inf_nan=False, description="how far Adam moves a task's logit in a step"
    )
    gamma: float = Field(0.01, ge=0, allow_inf_nan=False, description="how strongly logits are drawn back to 0")

    def start(self, tasks: int) -> Weigher:
        """Return a weigher whose first weights are all 1."""
        return _FamoWeigher(tasks, self)


class _FamoWeigher(Weigher):
    def __init__(self, tasks: int, settings: Famo) -> None:
        self._gamma = settings.gamma
        self._logits = Learned(torch.zeros(tasks), settings.learning_rate)
        self._log_losses = torch.zeros(tasks, dtype=torch.float64)
        self._steps = torch.zeros((), dtype=torch.float64)

    def weights(self) -> Tensor:
        if self._steps == 0:
            return torch.ones_like(self._log_losses)
        return softmax_weights(self._logits.value - self._log_losses)

    def update(self, losses: Tensor, gradient_norms: Tensor | None, generator: np.random.Generator) -> None:  # noqa: ARG002
        after = log_losses(losses)
        if self._steps > 0:
            logits = self._logits.value
            self._logits.descend(logit_gradient(logits, self._log_losses - after) + self._gamma * logits)
        self._log_losses.copy_(after)
        self._steps += 1

    def state(self) -> dict[str, Tensor]:
        return self._logits.state() | {"log_losses": self._log_losses.clone(), "steps": self._steps.clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._logits.restore(state)
        self._log_losses.copy_(state["log_losses"])
        self._steps.copy_(state["steps"])


def logit_gradient(logits: Tensor, falls: Tensor) -> Tensor:
    """Return ``J^T falls`` (K,), with ``J`` the derivative of ``softmax(logits)`` by ``logits`` (K,).

    Args:
        logits: (K,) ``xi``.
        falls: (K,) by how much each log loss has fallen.
    """
    shares = logits.softmax(0)
    return shares * (falls - shares @ falls)
