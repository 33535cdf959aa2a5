"""Momentum Bregman proximal point optimization: the other half of SMART."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from minbert.multitask.regularization.base import Penalty, Regularization, Regularizer
from minbert.multitask.regularization.passes import Passes


class Mbpp(Regularization):
    """``1/n sum_i l(f(x_i; theta), f(x_i; teacher))``: predictions stay near those of the weights' moving average.

    ``l`` is the symmetric KL divergence, or the squared difference of scores. The teacher is a copy of all weights,
    encoder and heads, made before the first step; after each step ``teacher <- beta teacher + (1 - beta) theta``. It
    has no gradient. In the first step teacher and model are equal, so the penalty and its gradient are 0.

    What the paper leaves open: teacher and model have the same dropout masks, so the penalty measures the weights'
    difference and nothing else. ``divergence`` in a run's history is the penalty, unweighted.
    """

    name: ClassVar[str] = "mbpp"
    title: ClassVar[str] = "proximal point: predictions stay near those of a slowly following copy of the weights"
    source: ClassVar[str] = "Jiang et al. 2020, 'SMART', section 3.2 and Algorithm 1"
    graphs: ClassVar[int] = 0

    beta: float = Field(0.999, ge=0, lt=1, description="how slowly the teacher follows")
    early_beta: float = Field(0.99, ge=0, lt=1, description="the same in the run's first steps")
    early_share: float = Field(0.1, ge=0, le=1, description="which share of the run's steps are its first")

    def start(self, weights: Mapping[str, Tensor]) -> Regularizer:
        """Return a regularizer whose teacher begins with these weights."""
        return _MbppRegularizer(self, weights)


class _MbppRegularizer(Regularizer):
    def __init__(self, settings: Mbpp, weights: Mapping[str, Tensor]) -> None:
        self._settings = settings
        self._student = dict(weights)
        self._teacher = {name: weight.detach().clone() for name, weight in weights.items()}
        self._updates = 0

    def penalty(self, passes: Passes) -> Penalty:
        if not self._updates:
            zero = passes.clean.logits.new_zeros(())
            return Penalty(zero, {"divergence": zero})
        with torch.no_grad():
            target = passes.again(weights=self._teacher)
        divergence = passes.divergences(passes.clean, target).mean()
        return Penalty(divergence, {"divergence": divergence.detach()})

    @torch.no_grad()
    def finish_step(self, progress: float) -> None:
        settings = self._settings
        beta = settings.early_beta if progress < settings.early_share else settings.beta
        for name, weight in self._teacher.items():
            weight.lerp_(self._student[name], 1 - beta)
        self._updates += 1

    def state(self) -> dict[str, Tensor]:
        weights = {f"teacher.{name}": weight for name, weight in self._teacher.items()}
        return weights | {"updates": torch.tensor(self._updates)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        for name, weight in self._teacher.items():
            weight.copy_(state[f"teacher.{name}"])
        self._updates = int(state["updates"])
