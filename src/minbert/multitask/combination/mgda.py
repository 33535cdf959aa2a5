"""MGDA: the shortest mean of the gradients, which is a descent direction of every task."""

from __future__ import annotations

from typing import ClassVar

from minbert.multitask.combination.base import Combination, Surgeon
from minbert.multitask.combination.gramian import Array, Pure, min_norm_point, norms_and_units


class MGDA(Combination):
    """``K a`` with the ``a`` of least ``|sum_i a_i g_i|``, where ``a_i >= 0`` and ``sum_i a_i = 1``.

    No task's loss rises (to first order): ``g_j . d >= |d|^2 / K``; where the gradients cancel, the direction is 0. The
    paper's weights sum to 1; these sum to ``K``, so that gradients alike give the plain sum: ``K`` times torchjd's
    ``MGDA``. Small gradients get the large weights. Exact for any ``K`` (the closed form for two, non-negative least
    squares for more), where the paper's Frank-Wolfe steps and torchjd's stop near the answer. Where several ``a`` give
    the shortest mean, which of them is open; the direction is the same. The paper's variant MGDA-UB is not this one.
    """

    name: ClassVar[str] = "mgda"
    title: ClassVar[str] = "the shortest mean of the gradients (MGDA)"
    source: ClassVar[str] = "Sener & Koltun 2018, 'Multi-Task Learning as Multi-Objective Optimization', equation 3"

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that remembers nothing."""
        return Pure(tasks, _weights)


def _weights(gramian: Array) -> Array:
    norms, units = norms_and_units(gramian)
    return len(norms) * min_norm_point(units * norms)
