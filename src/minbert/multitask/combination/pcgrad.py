"""PCGrad: each gradient loses the part that works against another task."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from minbert.multitask.combination.base import Combination, Surgeon
from minbert.multitask.combination.gramian import checked, other_tasks


class PCGrad(Combination):
    """Sum of projected gradients: for each ``i``, ``p = g_i``; then for each ``j != i`` in random order, where
    ``p . g_j < 0``: ``p -= (p . g_j) / |g_j|^2 g_j``.

    With ``p = sum_k c_k g_k`` the inner products are ``(G c)_j`` and a projection is ``c_j -= (G c)_j / G_jj``; the
    weights are the sum of all ``c``. The order is drawn anew for each ``i``, ``g_j`` is the original gradient, ``i``
    itself is left out, the division is exact, and a gradient of 0 projects nothing. The directions are summed, as in
    the paper's algorithm: without conflict this is the plain sum. Weights are at least 1. The same as torchjd's
    ``PCGrad``.

    Elsewhere: a discarded shuffle (the authors' TensorFlow code), ``i`` among the ``j`` and a small number added to the
    divisor (LibMTL), the mean where the sum is asked for and heads inside the norms (Pytorch-PCGrad).
    """

    name: ClassVar[str] = "pcgrad"
    title: ClassVar[str] = "project each gradient off those it conflicts with (PCGrad)"
    source: ClassVar[str] = "Yu et al. 2020, 'Gradient Surgery for Multi-Task Learning', algorithm 1"

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that remembers nothing."""
        return _Projection(tasks)


class _Projection(Surgeon):
    def __init__(self, tasks: int) -> None:
        self._tasks = tasks

    def weights(self, gramian: Tensor, losses: Tensor, generator: np.random.Generator) -> Tensor:  # noqa: ARG002
        products = checked(gramian, self._tasks)
        total = np.zeros(self._tasks)
        for task in range(self._tasks):
            coefficients = np.zeros(self._tasks)
            coefficients[task] = 1
            for other in other_tasks(task, self._tasks, generator):
                inner = float(products[other] @ coefficients)
                if inner < 0 < products[other, other]:
                    coefficients[other] -= inner / products[other, other]
            total += coefficients
        return torch.from_numpy(total)
