"""Aligned-MTL: gradients made orthogonal and equally long, and then summed."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from minbert.multitask.combination.base import Combination, Surgeon
from minbert.multitask.combination.gramian import NOISE, RANK_TOLERANCE, Array, Pure, norms_and_units

Scale = Literal["min", "median", "rmse"]


class AlignedMTL(Combination):
    """``B 1`` with ``B = s V L^-1/2 V^T`` for the eigenvalues ``L`` and eigenvectors ``V`` of ``G``.

    The balanced gradients ``B J`` are orthogonal and of length ``s`` each: of all such, the nearest to ``J`` up to
    scale. The paper's ``s`` is the smallest singular value of ``J`` (``min``), so no direction is made longer; the
    authors' code also has the median (of an even number, the smaller of the middle two) and the root mean square.
    Directions that are noise (``gramian``), and eigenvalues below 1e-12 of the largest, count as 0 and are left out;
    torchjd leaves out less, ``K`` times the precision of the Gramian's own type. All gradients 0 give weights of 1.

    The paper takes the mean of the balanced gradients, this is their sum: ``K`` times torchjd's ``AlignedMTL``. Weights
    can be negative, and a task can conflict with the sum.
    """

    name: ClassVar[str] = "aligned_mtl"
    title: ClassVar[str] = "make the gradients orthogonal and equally long, then sum (Aligned-MTL)"
    source: ClassVar[str] = "Senushkin et al. 2023, 'Independent Component Alignment', algorithm 1"

    scale: Scale = Field("min", description="which singular value all directions get: min, median or rmse")

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that remembers nothing."""
        return Pure(tasks, partial(_weights, scale=self.scale))


def _weights(gramian: Array, scale: Scale) -> Array:
    norms, units = norms_and_units(gramian, NOISE)
    gradients = units * norms
    values, vectors = np.linalg.eigh(gradients.T @ gradients)
    kept = values > RANK_TOLERANCE * values[-1]
    if not kept.any():
        return np.ones(len(norms))
    values, vectors = values[kept], vectors[:, kept]
    squared = {"min": values[0], "median": values[(len(values) - 1) // 2], "rmse": values.mean()}[scale]
    return np.asarray(vectors @ (vectors.sum(0) * np.sqrt(squared / values)))
