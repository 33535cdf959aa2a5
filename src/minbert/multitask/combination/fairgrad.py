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
    QM9. Solved exactly, as a convex problem, where both minimise squared errors from a fixed start.

    Where gradients nearly oppose each other the solution itself is long, and the longer the larger ``alpha``: with
    ``l`` the least eigenvalue of their cosines, weights grow as ``l^(-alpha / (1 + alpha))`` and the direction's length
    as ``l^(-(alpha - 1) / (2 alpha + 2))``. Two opposed but for 1e-3 get 34 times the longest gradient at ``alpha`` 2,
    and 1,800 times at 10. ``optimizer.max_gradient_norm`` bounds that; the authors' code clips the direction to length
    1. Below ``l = 1e-8`` nothing can be known from float32 products, so weights there are in the mean square at most
    ``1e8^(alpha / (1 + alpha))`` times what the task alone would get. A gradient of 0 gets weight 0.
    """

    name: ClassVar[str] = "fairgrad"
    title: ClassVar[str] = "alpha-fair shares of the step's gains (FairGrad)"
    source: ClassVar[str] = "Ban & Ji 2024, 'Fair Resource Allocation in Multi-Task Learning', equation 4"

    alpha: float = Field(
        2.0,
        ge=0.01,
        le=10,
        description="from no care for fairness (near 0) to the worst task only; above 1, long steps where tasks oppose",
    )

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that remembers nothing."""
        return Pure(tasks, partial(_weights, power=1 / self.alpha))


def _weights(gramian: Array, power: float) -> Array:
    return solve(gramian, power)[0]
