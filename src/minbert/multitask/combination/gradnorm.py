"""GradNorm: weights that let all tasks train at one rate, judged by the norms of their gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from minbert.multitask.combination.base import Combination, Weigher
from minbert.multitask.combination.learned import Learned, log_losses

SMALLEST_WEIGHT = 1e-3
"""A weight that a step takes below this is put back to it, before all are scaled to add up to K."""


class GradNorm(Combination):
    """Weights ``w`` that bring the norms ``G_i = w_i |grad_W L_i|`` towards ``Gbar r_i^alpha``; ``Gbar`` is their mean.

    ``W`` are weights that tasks share, in the paper the last shared layer's, and a task's relative rate is
    ``r_i = (L_i / L_i(0)) / mean_j (L_j / L_j(0))``: one that has come less far than the others (``r_i > 1``) gets a
    larger gradient. ``w`` goes downhill on ``L_grad = sum_i |G_i - Gbar r_i^alpha|`` with the target ``Gbar r_i^alpha``
    held constant; as ``G_i`` is linear in ``w_i``, the derivative is ``sign(G_i - Gbar r_i^alpha) |grad_W L_i|``, and
    no second backward is needed. After each step ``w`` is scaled to add up to ``K``. All weights begin at 1.

    The paper leaves open how to go downhill; ours is by Adam, apart from the model's optimizer. Departures from the
    paper: ``L_i(0)`` can be the mean of the first few losses, because one small batch's is noisy, and until they are
    there all weights stay 1; a weight is kept positive, at 0.001 or more before the scaling; a loss below 1e-8 counts
    as 1e-8, so that a ratio always exists.
    """

    name: ClassVar[str] = "gradnorm"
    title: ClassVar[str] = "weights that give slower tasks larger gradients"
    source: ClassVar[str] = "Chen et al. 2018, 'GradNorm', Algorithm 1"

    alpha: float = Field(
        1.5, ge=0, allow_inf_nan=False, description="how strongly slower tasks are favoured; 0: equal gradient norms"
    )
    learning_rate: float = Field(0.025, gt=0, allow_inf_nan=False, description="how far Adam moves a weight in a step")
    layer: Literal["last", "pooler", "all"] | int = Field(
        "last",
        description="where norms are taken: last (the last shared layer), pooler, all, or a layer's number",
    )
    initial_steps: int = Field(1, ge=1, description="steps whose mean loss is the initial loss; the paper's is 1")

    @property
    def norm_layer(self) -> str | int:
        """The layer whose gradients' norms are compared."""
        return self.layer

    def start(self, tasks: int) -> Weigher:
        """Return a weigher whose first weights are all 1."""
        return _GradNormWeigher(tasks, self)


class _GradNormWeigher(Weigher):
    def __init__(self, tasks: int, settings: GradNorm) -> None:
        self._settings = settings
        self._weights = Learned(torch.ones(tasks), settings.learning_rate)
        self._initial = torch.zeros(tasks, dtype=torch.float64)
        self._initial_steps = torch.zeros((), dtype=torch.float64)

    def weights(self) -> Tensor:
        return self._weights.value.clone()

    def update(self, losses: Tensor, gradient_norms: Tensor | None, generator: np.random.Generator) -> None:  # noqa: ARG002
        if gradient_norms is None:
            raise ValueError("GradNorm needs the norms of the tasks' gradients")
        if self._initial_steps < self._settings.initial_steps:
            self._initial_steps += 1
            self._initial += (losses - self._initial) / self._initial_steps
            if self._initial_steps < self._settings.initial_steps:
                return
        rates = relative_rates(losses, self._initial)
        weights = self._weights.value
        self._weights.descend(weight_gradient(weights, gradient_norms, rates, self._settings.alpha))
        weights.clamp_(min=SMALLEST_WEIGHT)
        weights *= len(weights) / weights.sum()

    def state(self) -> dict[str, Tensor]:
        initial = {"initial": self._initial.clone(), "initial_steps": self._initial_steps.clone()}
        return self._weights.state() | initial

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._weights.restore(state)
        self._initial.copy_(state["initial"])
        self._initial_steps.copy_(state["initial_steps"])


def relative_rates(losses: Tensor, initial: Tensor) -> Tensor:
    """Return ``r`` (K,): each task's loss over its initial one, over the mean of these ratios."""
    # The same through logarithms, because a ratio of two extreme losses could overflow.
    return len(losses) * (log_losses(losses) - log_losses(initial)).softmax(0)


def weight_gradient(weights: Tensor, norms: Tensor, rates: Tensor, alpha: float) -> Tensor:
    """Return the derivative (K,) of ``L_grad`` by ``weights`` (K,).

    Args:
        weights: (K,) of the step's losses.
        norms: (K,) of the tasks' unweighted gradients.
        rates: (K,) as ``relative_rates`` returns them.
        alpha: the exponent of ``rates``.
    """
    weighted = weights * norms
    return (weighted - weighted.mean() * rates**alpha).sign() * norms
