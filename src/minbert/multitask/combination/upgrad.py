"""UPGrad: the sum of the gradients, each moved the least so that it conflicts with none."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from minbert.multitask.combination.base import Combination, Surgeon
from minbert.multitask.combination.gramian import Array, Pure, project_to_dual_cone


class UPGrad(Combination):
    """Sum over ``i`` of the point of the dual cone ``{d : g_j . d >= 0 for all j}`` nearest to ``g_i``.

    Each is ``sum_k v_k g_k`` with the ``v >= e_i`` of least ``v^T G v``. No task's loss rises (to first order), and
    without conflict this is the plain sum; for two tasks it is PCGrad. Weights are at least 1.

    The paper takes the mean of the ``K`` projections, this is their sum: ``K`` times torchjd's ``UPGrad``. Solved on
    the gradients' directions by non-negative least squares; torchjd normalises the Gramian and adds 1e-4 to its
    diagonal.
    """

    name: ClassVar[str] = "upgrad"
    title: ClassVar[str] = "move each gradient the least so that it conflicts with none (UPGrad)"
    source: ClassVar[str] = "Quinton & Rey 2024, 'Jacobian Descent for Multi-Objective Optimization', section 3"

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that remembers nothing."""
        return Pure(tasks, _weights)


def _weights(gramian: Array) -> Array:
    return np.asarray(sum(project_to_dual_cone(gramian, row) for row in np.eye(len(gramian))))
