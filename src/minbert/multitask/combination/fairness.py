"""What Nash-MTL and FairGrad share: weights for which each task gains in a fixed proportion to its weight's rarity."""

from __future__ import annotations

import numpy as np

from minbert.multitask.combination.gramian import Array, norms_and_cosines, scaled

LEAST = 1e-8
STEPS = 200
CLOSE = 1e-10


def solve(gramian: Array, power: float, start: Array | None = None) -> tuple[Array, Array]:
    """Return the ``w > 0`` with ``G w = w^-power`` for ``G`` divided by its Frobenius norm, and where to start next.

    It is where ``w^T G w / 2 - sum_i f(w_i)`` with ``f'(w) = w^-power`` is least; that is convex, and grows at the edge
    ``w = 0``, so Newton's method with an exact search along each step finds it from anywhere. ``w_i`` is counted in
    units of what task ``i`` alone would get, ``G_ii^(-1 / (1 + power))``, so that no task is too large or too small.

    Where gradients cancel there is no finite answer, so an eigenvalue of the cosines below ``1e-8`` counts as that:
    units are then at most ``1e8^(1 / (1 + power))`` for ``power`` up to 1, in the mean square, each counted by
    ``G_ii^((power - 1) / (power + 1))``. A gradient of 0 gets weight 0.

    Args:
        gramian: (K, K).
        power: above 0.
        start: (K,) what an earlier call returned.
    """
    norms, cosines = norms_and_cosines(gramian)
    live = norms > 0
    weights, units = np.zeros_like(norms), np.ones_like(norms)
    if not live.any():
        return weights, units
    lengths = norms[live]
    cosines = _invertible(cosines[np.ix_(live, live)])
    sizes = lengths ** ((power - 1) / (power + 1))
    units[live] = _newton(cosines, sizes, power, None if start is None else start[live])
    frobenius = float(np.linalg.norm(scaled(gramian)[0]))
    weights[live] = units[live] * (lengths**-2 * frobenius) ** (1 / (1 + power))
    return weights, units


def _invertible(cosines: Array) -> Array:
    """Return the cosines with no eigenvalue below ``LEAST``: unchanged where there is none."""
    values, vectors = np.linalg.eigh(cosines)
    return np.asarray(cosines + vectors * np.maximum(LEAST - values, 0) @ vectors.T)


def _newton(cosines: Array, sizes: Array, power: float, start: Array | None) -> Array:
    """Solve ``sizes_i (cosines (sizes units))_i = sizes_i^2 units_i^-power``."""
    from scipy.optimize import brentq

    def slopes(units: Array) -> Array:
        return np.asarray(cosines @ (sizes * units) - sizes * units**-power)

    units = np.ones_like(sizes)
    if start is not None and np.linalg.norm(slopes(start)) < np.linalg.norm(slopes(units)):
        units = start
    for _ in range(STEPS):
        curvature = cosines + np.diag(power * units ** (-power - 1))
        step = -np.linalg.solve(curvature, slopes(units)) / sizes
        most = 0.99 / max(0.99, float((-step / units).max()))

        def slope(share: float, units: Array = units, step: Array = step) -> float:
            return float(slopes(units + share * step) @ (sizes * step))

        if slope(0.0) >= 0:
            break
        share = most if slope(most) <= 0 else float(brentq(slope, 0.0, most, xtol=1e-6 * most, rtol=1e-6))
        moved = units + share * step
        done = float(np.abs(moved / units - 1).max()) <= CLOSE
        units = moved
        if done:
            break
    return units
