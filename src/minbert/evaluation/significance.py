"""Whether one system scores better than another on the same rows, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minbert.evaluation.intervals import CONFIDENCE, percentiles, seed_scatter
from minbert.evaluation.resampling import Array

SWAPS = 5000


class Difference(NamedTuple):
    """How much higher one system scores than another."""

    score: float
    """The first system's mean score less the second's."""
    low: float
    high: float
    p: float
    """Of the paired permutation test: how often a difference as large comes about where there is none."""


class SystemScores(NamedTuple):
    """A score of every run of a system."""

    observed: Array
    """(runs,)"""
    resampled: Array
    """(resamples, runs) of resamples of the rows, the same ones for all systems; see ``resampled_scores``."""


def paired_difference(
    first: SystemScores, second: SystemScores, swapped: Array, confidence: float = CONFIDENCE
) -> Difference:
    """Return how much higher the first system scores, with its interval and the paired permutation test's p.

    The interval is the percentile bootstrap's: both systems are scored on the same resamples of the rows. The test
    asks how often a difference as large in either direction comes about where it does not matter which system gave
    which answer. With one run each, a row's two answers are exchangeable: they are swapped by a coin's fall, row by
    row, and the conclusion is about these two models, on any rows.

    With several seeds, the conclusion is about the recipes. A row's answers are swapped for all runs of the two
    systems together, because runs share what is easy or hard about a row. Runs of one recipe are exchangeable with
    each other, but permuting whole runs of the two systems would need more seeds than anyone has (of three and three
    there are 20 ways, so no p below 0.1). So how far each system's mean strays from seed to seed is added to interval
    and test alike, from Student's t of its own: the Behrens-Fisher solution, on the safe side for few seeds.

    Args:
        first: the scores of one system.
        second: those of the other, on the same rows and resamples.
        swapped: (swaps,) differences of the mean scores with answers swapped; see ``swapped_differences``.
        confidence: of the interval.
    """
    difference = float(first.observed.mean() - second.observed.mean())
    resampled = first.resampled.mean(1) - second.resampled.mean(1)
    interval = percentiles(difference, resampled + _scatter(first, second, len(resampled)), confidence)
    null = swapped + _scatter(first, second, len(swapped))
    as_large = np.abs(null) >= abs(difference) - 1e-9  # sums in another order make ties differ by rounding
    return Difference(*interval, (1 + int(as_large.sum())) / (1 + len(null)))


def _scatter(first: SystemScores, second: SystemScores, number: int) -> Array:
    draws = [seed_scatter(*scores).draws(number, which) for which, scores in enumerate((first, second))]
    return draws[0] - draws[1]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's corrected p of each of a family of tests (Holm 1979, "A simple sequentially rejective ...").

    Rejecting those below 0.05 rejects any true hypothesis at all in at most 5 % of families.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for done, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - done) * p_values[index]))
        corrected[index] = largest
    return corrected
