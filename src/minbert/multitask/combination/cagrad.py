"""CAGrad: the direction near the mean gradient that serves the worst served task best."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np
from pydantic import Field

from minbert.multitask.combination.base import Combination, Surgeon
from minbert.multitask.combination.gramian import (
    NOISE,
    Array,
    Pure,
    min_norm_point,
    norms_and_units,
    project_to_dual_cone,
)

VANISHING = NOISE**0.5
"""What noise can make of a mean of gradients that cancel, the longest having length 1."""


class CAGrad(Combination):
    """``K`` times the ``d`` with the greatest ``min_i g_i . d`` where ``|d - m| <= c |m|``; ``m`` is the mean.

    By duality ``d = m + c |m| g_w / |g_w|`` with ``g_w = sum_i w_i g_i`` for the ``w >= 0`` of sum 1 that makes
    ``g_w . m + c |m| |g_w|`` least. So the weights are ``1 + c |s| / |g_w| w`` with ``s`` the sum of the gradients:
    ``K`` times the paper's and torchjd's ``CAGrad``, and the plain sum for ``c = 0``. Weights are at least 1. One task
    has nothing to avoid: its weight is 1, not ``1 + c``.

    For a length ``u``, the ``w`` of least ``g_w . m + c |m| (|g_w|^2 / u + u) / 2`` makes ``c |m| g_w + u m`` shortest,
    and the ``u`` with ``|g_w| = u`` solves the whole: one root between bounds, no general solver.

    Where the best ``g_w`` vanishes (as beside a gradient of 0), or may be noise, every ``d`` of the ball that conflicts
    with no task is best; this takes the one nearest to ``m``. There torchjd takes no step at all and the authors' code
    divides by a small number. The authors' code also divides by ``1 + c^2``, which the paper does not.
    """

    name: ClassVar[str] = "cagrad"
    title: ClassVar[str] = "near the mean gradient, serve the worst served task best (CAGrad)"
    source: ClassVar[str] = "Liu et al. 2021, 'Conflict-Averse Gradient Descent', equations 2 to 4"

    c: float = Field(0.4, ge=0, lt=1, description="how far from the mean gradient to go, in lengths of it")

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that remembers nothing."""
        return Pure(tasks, partial(_weights, c=self.c))


def _weights(gramian: Array, c: float) -> Array:
    from scipy.optimize import brentq

    tasks = len(gramian)
    norms, units = norms_and_units(gramian)
    gradients = units * norms
    mean = gradients.mean(1)
    radius = c * float(np.linalg.norm(mean))
    if tasks == 1 or radius == 0:
        return np.ones(tasks)

    def shares(length: float) -> Array:
        return min_norm_point(radius * gradients + length * mean[:, None])

    def excess(length: float) -> float:
        return float(np.linalg.norm(gradients @ shares(length))) - length

    if excess(VANISHING) <= 0:
        return project_to_dual_cone(gramian, np.ones(tasks))
    chosen = shares(float(brentq(excess, VANISHING, 1.0 + 1e-9, xtol=1e-14)))
    return 1 + tasks * radius / float(np.linalg.norm(gradients @ chosen)) * chosen
