"""What several weighers are made of: Adam on a handful of numbers, and a softmax that never gives a weight of 0."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from minbert.optim.adamw import update_

SMALLEST_LOSS = 1e-8
"""A smaller loss counts as this one where a logarithm or a ratio is taken of it."""
WIDEST_LOGITS = 30.0
"""No task's logit is further than this below the highest: a weight is never less than ``e**-30`` times another."""
LARGEST_LOGARITHM = 10.0
"""A learned logarithm of a weight stays within this of 0, so a weight within 4.5e-5 and 2.2e4."""


class Learned:
    """A vector (K,) that goes downhill by Adam (Kingma & Ba 2015).

    It is apart from the model's optimizer: no weight decay, no schedule, betas 0.9 and 0.999, epsilon 1e-8.
    Everything is float64 on the CPU.
    """

    def __init__(self, start: Tensor, learning_rate: float) -> None:
        """Begin at ``start`` (K,)."""
        self.value = start.to(torch.float64, copy=True)
        self._learning_rate = learning_rate
        self._exp_avg = torch.zeros_like(self.value)
        self._exp_avg_sq = torch.zeros_like(self.value)
        self._step = torch.zeros((), dtype=torch.float64)

    def descend(self, gradient: Tensor) -> None:
        """Take one step against ``gradient`` (K,)."""
        update_(
            self.value,
            gradient,
            self._exp_avg,
            self._exp_avg_sq,
            self._step,
            lr=self._learning_rate,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            weight_decay=0.0,
        )

    def state(self) -> dict[str, Tensor]:
        """Return copies of all that changes."""
        return {name: tensor.clone() for name, tensor in self._tensors().items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state`` returned; other names in ``state`` are passed over."""
        for name, tensor in self._tensors().items():
            tensor.copy_(state[name])

    def _tensors(self) -> dict[str, Tensor]:
        return {
            "value": self.value,
            "exp_avg": self._exp_avg,
            "exp_avg_sq": self._exp_avg_sq,
            "step": self._step,
        }


def softmax_weights(logits: Tensor) -> Tensor:
    """Return ``K softmax(logits)`` (K,): positive, 1 on average. See ``WIDEST_LOGITS``."""
    spread = (logits - logits.max()).clamp(min=-WIDEST_LOGITS)
    return len(logits) * spread.softmax(0)


def log_losses(losses: Tensor) -> Tensor:
    """Return the logarithms of ``losses`` (K,). See ``SMALLEST_LOSS``."""
    return losses.clamp(min=SMALLEST_LOSS).log()
