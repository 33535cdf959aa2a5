"""Random loss weighting: fresh random weights each step, the yardstick for every weighting that claims to be clever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from minbert.multitask.combination.base import Combination, Weigher
from minbert.multitask.combination.learned import softmax_weights


class RandomWeights(Combination):
    """``weight = K softmax(z)`` with ``z_i`` standard normal, drawn anew for each step.

    Departures from the paper. Its weights add up to 1; ours to ``K``, so that a loss weighs 1 on average, as in
    ``sum``, and the same learning rate serves both. The weights of a step are drawn at the end of the step before, so
    those of the first step are all 1.
    """

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "fresh random weights each step"
    source: ClassVar[str] = "Lin et al. 2022, 'Reasonable Effectiveness of Random Weighting' (RLW, normal)"

    def start(self, tasks: int) -> Weigher:
        """Return a weigher whose first weights are all 1."""
        return _RandomWeigher(tasks)


class _RandomWeigher(Weigher):
    def __init__(self, tasks: int) -> None:
        self._weights = torch.ones(tasks, dtype=torch.float64)

    def weights(self) -> Tensor:
        return self._weights.clone()

    def update(self, losses: Tensor, gradient_norms: Tensor | None, generator: np.random.Generator) -> None:  # noqa: ARG002
        self._weights = softmax_weights(torch.from_numpy(generator.standard_normal(len(self._weights))))

    def state(self) -> dict[str, Tensor]:
        return {"weights": self._weights.clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._weights = state["weights"].clone()
