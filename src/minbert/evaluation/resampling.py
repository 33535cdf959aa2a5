"""A metric of very many resamples of the same rows: bootstrapped, halved, or with two systems' answers swapped.

Here rows are drawn. How a metric scores many resamples at once is its own affair (``tasks.metrics.base.Metric``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from minbert.randomness import generator
from minbert.tasks.metrics import METRICS

Array = NDArray[np.float64]

_AT_ONCE = 500_000
"""Numbers of a matrix that are worked on together: what fits into a processor's cache."""


def resampled_scores(metric: str, labels: Array, outputs: Array, resamples: int) -> Array:
    """Return a metric (resamples, runs) of bootstrap resamples of the rows, the same rows for every run.

    Args:
        metric: a name of ``tasks.metrics.METRICS``.
        labels: (R,), or (R, classes).
        outputs: (runs, R, ...) of each run: what ``Metric.outputs`` gives.
        resamples: how many times R rows are drawn with replacement. The draws follow from the labels alone.
    """
    drawn = [METRICS[metric].of_counts(labels, outputs, counts) for counts in _counts(labels, resamples)]
    return np.concatenate(drawn)


def score_each(metric: str, labels: Array, outputs: Array) -> Array:
    """Return a metric (runs,) of each run's outputs (runs, R, ...): that of ``Metric.of_rows``."""
    return np.asarray(METRICS[metric].of_counts(labels, outputs, np.ones((1, len(labels))))[0])


def half_scores(metric: str, labels: Array, outputs: Array, halvings: int) -> Array:
    """Return a metric (halvings, 2, runs) of both halves of the rows, halved at random again and again.

    Args:
        metric: a name of ``tasks.metrics.METRICS``.
        labels: of R rows, two or more. Of an odd number the first half has one less.
        outputs: (runs, R, ...).
        halvings: how many times the rows are halved. The halves follow from the labels alone.
    """
    both = [
        np.stack([METRICS[metric].of_counts(labels, outputs, half) for half in (first, 1 - first)], 1)
        for first in _first_halves(labels, halvings)
    ]
    return np.concatenate(both)


def swapped_differences(metric: str, labels: Array, first: Array, second: Array, swaps: int) -> Array:
    """Return differences (swaps,) of two systems' mean scores with their answers to each row swapped by a coin's fall.

    A row's coin is the same for all runs: a swap gives each run of ``first`` the answers of each run of ``second``
    to the rows whose coin says so, and the difference is the mean over all such pairs of runs. Answers of a
    correlation are standardized (Pearson) or ranked (Spearman) first, and so are probabilities that are ranked, because
    such metrics know no scale.

    Args:
        metric: a name of ``tasks.metrics.METRICS``.
        labels: of R rows.
        first: (runs, R, ...) outputs of one system's runs.
        second: (other runs, R, ...) outputs of the other's.
        swaps: how many times the coins are thrown. Their falls follow from the labels alone.
    """
    scored = METRICS[metric]
    compared, of_first = scored.exchangeable(labels, first)
    _, of_second = scored.exchangeable(labels, second)
    return np.concatenate([scored.of_swaps(compared, of_first, of_second, coins) for coins in _coins(labels, swaps)])


def _counts(labels: Array, resamples: int) -> Iterator[Array]:
    """Yield how often each resample holds each row, (some, R), until there are ``resamples`` of them."""
    random = generator(0, "resampled rows", labels.tobytes().hex())
    rows = len(labels)
    for some in _portions(resamples, rows):
        drawn = random.integers(0, rows, (some, rows)) + rows * np.arange(some)[:, None]
        yield np.bincount(drawn.ravel(), minlength=some * rows).reshape(some, rows).astype(np.float64)


def _coins(labels: Array, swaps: int) -> Iterator[Array]:
    """Yield zeros and ones (some, R), until there are ``swaps`` rows of them."""
    random = generator(0, "swapped answers", labels.tobytes().hex())
    for some in _portions(swaps, len(labels)):
        yield random.integers(0, 2, (some, len(labels))).astype(np.float64)


def _first_halves(labels: Array, halvings: int) -> Iterator[Array]:
    """Yield ones for the rows of a random half and zeros for the rest, (some, R), until there are ``halvings``."""
    random = generator(0, "halves of rows", labels.tobytes().hex())
    rows = len(labels)
    for some in _portions(halvings, rows):
        yield (random.random((some, rows)).argsort(1) < rows // 2).astype(np.float64)


def _portions(wanted: int, rows: int) -> Iterator[int]:
    most = max(1, _AT_ONCE // rows)
    for start in range(0, wanted, most):
        yield min(most, wanted - start)
