"""Intervals of a share and of a mean, for points of a figure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def wilson(hits: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[Values, Values]:
    """Return the ends of the 95 % intervals of shares hits / counts (Wilson 1927); counts are at least 1."""
    from scipy.special import ndtri

    z = ndtri(0.975)
    shares = hits / counts
    middle = (shares + z**2 / (2 * counts)) / (1 + z**2 / counts)
    half = z / (1 + z**2 / counts) * np.sqrt(shares * (1 - shares) / counts + z**2 / (4 * counts**2))
    return middle - half, middle + half


def mean_interval(values: Values) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the mean, by Student's t; the mean itself where there is one value."""
    from scipy.special import stdtrit

    mean = float(values.mean())
    if len(values) < 2:
        return mean, mean
    half = float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean - half, mean + half
