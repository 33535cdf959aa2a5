"""FairGrad: share the step's gains among the tasks, as fairly as one setting says."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field

from minbert.multitask.combination.base import Combination, Surgeon
from minbert.multitask.combination.fairness import solve
from minbert.multitask.combination.gramian import Array, Pure


class FairGrad(Combination):
    """The ``w > 0`` with ``G w = w^(-1 / alpha)``: ``alpha``-fair shares of the gains ``g_i . d``.

    ``alpha`` near 0 is the plain sum where that makes no task worse; 1 is Nash-MTL; larger values favour the task that
    gains least. No task's loss rises (to first order).

    The paper and torchjd's ``FairGrad`` take ``G`` as it is: a gradient times ``t`` then gives a direction times
    ``t^((1 - alpha) / (1 + alpha))``. Here ``G`` is divided by its Frobenius norm first, as for Nash-MTL, so that the
    direction is times ``t``, and gradients alike give the plain sum: these weights are
    ``|G|^(alpha / (1 + alpha))`` times theirs. Both leave ``alpha`` to the user; 2 is what the authors' code has for
    QM9. Solved exactly, as a convex problem, where both minimise squared errors from a fixed start. Where gradients
    cancel no finite answer exists: weights then are at most about ``1e8^(alpha / (1 + alpha))`` times what the task
    alone would get, of a direction of next to 0. A gradient of 0 gets weight 0.
    """

    name: ClassVar[str] = "fairgrad"
    title: ClassVar[str] = "alpha-fair shares of the step's gains (FairGrad)"
    source: ClassVar[str] = "Ban & Ji 2024, 'Fair Resource Allocation in Multi-Task Learning', equation 4"

    alpha: float = Field(2.0, ge=0.01, le=10, description="from no care for fairness (near 0) to the worst task only")

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that remembers nothing."""
        return Pure(tasks, partial(_weights, power=1 / self.alpha))


def _weights(gramian: Array, power: float) -> Array:
    return solve(gramian, power)[0]
