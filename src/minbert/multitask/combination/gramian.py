"""What the gradient-surgery methods share: the tasks' Gramian taken apart, and two small problems over it.

The methods see ``K`` gradients only through their inner products ``G = J J^T``, so everything here is ``K x K``. Large
and small tasks stand side by side in one Gramian, so it is taken apart into norms and cosines before anything is
solved.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minbert.multitask.combination.base import Surgeon

Array = NDArray[np.float64]

RANK_TOLERANCE = 1e-12
"""Eigenvalues below this share of the largest count as 0: 1e-6 squared, about what float32 gradients can tell."""


class Pure(Surgeon):
    """A surgeon that remembers nothing and draws nothing: its weights are a function of the Gramian."""

    def __init__(self, tasks: int, rule: Callable[[Array], Array]) -> None:
        self._tasks, self._rule = tasks, rule

    def weights(self, gramian: Tensor, losses: Tensor, generator: np.random.Generator) -> Tensor:  # noqa: ARG002
        """Return the rule's weights (K,)."""
        return torch.from_numpy(self._rule(checked(gramian, self._tasks)))


def checked(gramian: Tensor, tasks: int) -> Array:
    """Return the Gramian as float64.

    Raises:
        ValueError: if it is not ``(tasks, tasks)`` or holds a value that is not finite.
    """
    if gramian.shape != (tasks, tasks):
        raise ValueError(f"the Gramian of {tasks} tasks must be ({tasks}, {tasks}), not {tuple(gramian.shape)}")
    values = gramian.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(values).all():
        raise ValueError("the Gramian holds a value that is not finite: the step cannot be combined")
    return np.asarray(values)


def scaled(gramian: Array) -> tuple[Array, float]:
    """Return the Gramian divided by its largest squared norm, and that (1 where all gradients are 0)."""
    largest = float(gramian.diagonal().max())
    return (gramian / largest, largest) if largest > 0 else (np.zeros_like(gramian), 1.0)


def norms_and_cosines(gramian: Array) -> tuple[Array, Array]:
    """Return the gradients' norms (K,), the largest taken as 1, and their cosines (K, K): 0 beside a gradient of 0."""
    relative, _ = scaled(gramian)
    norms = np.sqrt(np.maximum(relative.diagonal(), 0))
    divisors = np.where(norms > 0, norms, np.inf)
    cosines = np.clip(relative / divisors[:, None] / divisors, -1, 1)
    np.fill_diagonal(cosines, norms > 0)
    return norms, cosines


def unit_vectors(cosines: Array) -> Array:
    """Return ``K`` vectors (the columns) with these inner products, exactly 0 beside a gradient of 0."""
    values, vectors = np.linalg.eigh(cosines)
    values[values < values[-1] * len(values) * np.finfo(np.float64).eps] = 0
    return np.asarray(np.sqrt(values)[:, None] * vectors.T * cosines.diagonal())


def nonnegative_least_squares(matrix: Array, target: Array) -> Array:
    """Return the ``x >= 0`` with the least ``|matrix x - target|``."""
    from scipy.optimize import nnls

    return np.asarray(nnls(matrix, target, maxiter=100 * len(target))[0])


def project_to_dual_cone(gramian: Array, weights: Array) -> Array:
    """Return the weights of ``J^T weights`` moved the least so that it conflicts with no gradient.

    The projection of ``x`` onto ``{d : J d >= 0}`` is ``x + J^T z`` with the ``z >= 0`` that makes it shortest
    (Quinton & Rey 2024, proposition 1). Unit vectors stand for the gradients, so that no task is too small to count.
    """
    norms, cosines = norms_and_cosines(gramian)
    units = unit_vectors(cosines)
    on_units = weights * norms
    size = float(np.abs(on_units).max())
    if size == 0:
        return weights
    added = size * nonnegative_least_squares(units, -units @ (on_units / size))
    return weights + np.divide(added, norms, out=np.zeros_like(added), where=norms > 0)


def min_norm_point(points: Array) -> Array:
    """Return the weights, each at least 0 and together 1, of the shortest weighted mean of the columns.

    Two points have a closed form. For more, ``x >= 0`` with the least ``|points x|^2 + (sum(x) - 1)^2``, divided by its
    sum, is exact: with the sum left free, the least value for a mean of squared length ``q`` is ``q / (1 + q)``.
    """
    count = points.shape[1]
    size = float(np.abs(points).max())
    if size == 0:
        return np.full(count, 1 / count)
    points = points / size
    if count == 2:
        first, second = points.T
        apart = first - second
        distance = float(apart @ apart)
        share = float(np.clip(-(second @ apart) / distance, 0, 1)) if distance > 0 else 0.5
        return np.array([share, 1 - share])
    target = np.zeros(len(points) + 1)
    target[-1] = 1
    found = nonnegative_least_squares(np.vstack([points, np.ones(count)]), target)
    return np.asarray(found / found.sum())


def other_tasks(task: int, tasks: int, generator: np.random.Generator) -> list[int]:
    """Return all tasks but one, in an order drawn anew."""
    return [other for other in generator.permutation(tasks).tolist() if other != task]
