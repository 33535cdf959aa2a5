"""What the gradient-surgery methods share: the tasks' Gramian taken apart, and two small problems over it.

The methods see ``K`` gradients only through their inner products ``G = J J^T``, so everything here is ``K x K``. Large
and small tasks stand side by side in one Gramian, so it is taken apart into norms and cosines before anything is
solved.

The products come from float32, so a cosine is known to ``NOISE`` only, and a Gramian may be one that no gradients have.
So it stands for the nearest gradients there are; what noise alone could have made decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minbert.multitask.combination.base import Surgeon

Array = NDArray[np.float64]

NOISE = 2.0**-24
"""How far off a cosine may be: half a unit in float32's last place. An eigenvalue of theirs: ``K`` times that."""

RANK_TOLERANCE = 1e-12
"""Eigenvalues below this share of the largest count as 0."""


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


def norms_and_units(gramian: Array, noise: float = 0.0) -> tuple[Array, Array]:
    """Return the gradients' norms (K,), the largest taken as 1, and vectors (the columns, K x K) in their directions.

    Those are of length 1, and 0 for a gradient of 0. They have the gradients' cosines; but directions in which they all
    are so short that an error of ``noise`` in each cosine could have made them are left out.
    """
    norms, cosines = norms_and_cosines(gramian)
    values, vectors = np.linalg.eigh(cosines)
    values[values <= len(values) * max(noise, values[-1] * np.finfo(np.float64).eps)] = 0
    units = np.sqrt(values)[:, None] * vectors.T * cosines.diagonal()
    lengths = np.linalg.norm(units, axis=0)
    return norms, np.divide(units, lengths, out=np.zeros_like(units), where=lengths > 0)


def nonnegative_least_squares(matrix: Array, target: Array) -> Array:
    """Return the ``x >= 0`` with the least ``|matrix x - target|``."""
    from scipy.optimize import nnls

    return np.asarray(nnls(matrix, target, maxiter=100 * len(target))[0])


def project_to_dual_cone(gramian: Array, weights: Array) -> Array:
    """Return the weights of ``J^T weights`` moved the least so that it conflicts with no gradient.

    The projection of ``x`` onto ``{d : J d >= 0}`` is ``x + J^T z`` with the ``z >= 0`` that makes it shortest
    (Quinton & Rey 2024, proposition 1). Unit vectors stand for the gradients, so that no task is too small to count.

    Where gradients oppose each other the cone is as thin as a line, and noise decides what is left of it. So ``z`` is
    first sought with noise in mind: a conflict within noise is none, and ``x + J^T z`` counts as longer by what noise
    could add to it, ``NOISE (sum z)^2``. The ``z_i`` above 0 are then solved for exactly, unless noise outweighs them.
    """
    norms, units = norms_and_units(gramian)
    on_units = weights * norms
    size = float(np.abs(on_units).max())
    if size == 0:
        return weights
    start = units @ (on_units / size)
    wary = np.vstack([units, np.full(len(norms), NOISE**0.5)])
    added = _shortest_step(wary, -(units.T @ start) - len(norms) * NOISE)
    needed = added > 0
    exact = np.linalg.lstsq(units[:, needed], -start)[0]
    if (exact >= 0).all() and exact.sum() <= NOISE**-0.5:
        added[needed] = exact
    return weights + np.divide(size * added, norms, out=np.zeros_like(added), where=norms > 0)


def _shortest_step(units: Array, gains: Array) -> Array:
    """Return the ``z >= 0`` of the shortest ``d = units z`` with ``units^T d >= gains``.

    It is a non-negative least squares problem (Lawson & Hanson 1974, chapter 23, section 4).
    """
    target = np.zeros(len(units) + 1)
    target[-1] = 1
    found = nonnegative_least_squares(np.vstack([units, gains]), target)
    return found / (1 - gains @ found)


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
