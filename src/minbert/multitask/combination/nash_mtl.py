"""Nash-MTL: the tasks bargain for the step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from minbert.multitask.combination.base import Combination, Surgeon
from minbert.multitask.combination.fairness import solve
from minbert.multitask.combination.gramian import Array, checked, scaled


class NashMTL(Combination):
    """The ``a > 0`` with ``G a = 1 / a``: the Nash bargaining solution, in which ``g_i . d = 1 / a_i`` for each task.

    It is blind to the scale of each loss: a loss ten times as large gets a tenth of the weight. No task's loss rises
    (to first order). The solution's direction has length ``sqrt(K)`` at every step, and the authors' code then clips it
    to length 1. Here ``G`` is divided by its Frobenius norm first, so these weights are ``sqrt(|G|)`` times the paper's
    and torchjd's ``NashMTL`` (with ``max_norm=0``): a gradient times ``t`` gives a direction times ``t``, and gradients
    alike give the plain sum. ``length: 1`` is what the authors' code does.

    Solved exactly, as a convex problem, by Newton's method; the authors and torchjd solve a row of approximations with
    cvxpy. The weights are solved anew at every step: that takes far less time than the gradients (elsewhere it is a
    setting, ``update_weights_every``). Where gradients cancel no finite answer exists: weights then are at most about
    1e4 times what the task alone would get, of a direction of next to 0. A gradient of 0 gets weight 0.
    """

    name: ClassVar[str] = "nash_mtl"
    title: ClassVar[str] = "the tasks' bargaining solution, blind to the losses' scales (Nash-MTL)"
    source: ClassVar[str] = "Navon et al. 2022, 'Multi-Task Learning as a Bargaining Game', claim 3.1 and algorithm 1"

    length: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="give the direction this length; none: as long as they make it",
    )

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that starts each step from the last one's solution."""
        return _Bargain(tasks, self.length)


class _Bargain(Surgeon):
    def __init__(self, tasks: int, length: float | None) -> None:
        self._tasks, self._length = tasks, length
        self._last: Array = np.ones(tasks)

    def weights(self, gramian: Tensor, losses: Tensor, generator: np.random.Generator) -> Tensor:  # noqa: ARG002
        products = checked(gramian, self._tasks)
        weights, self._last = solve(products, 1.0, self._last)
        live = np.count_nonzero(weights)
        if self._length is not None and live:
            relative, largest = scaled(products)
            squared = live * float(np.linalg.norm(relative))  # what w^T G w is but where gradients cancel
            weights = weights * (self._length / np.sqrt(squared) / np.sqrt(largest))
        return torch.from_numpy(weights)

    def state(self) -> dict[str, Tensor]:
        return {"last": torch.from_numpy(self._last)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._last = state["last"].to("cpu", torch.float64).numpy().copy()
