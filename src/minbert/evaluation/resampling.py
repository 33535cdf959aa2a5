"""A metric of very many resamples of the same rows at once.

Every metric but Spearman's is a function of sums over rows: of right answers, of products. So the sums of all resamples
are one product of matrices: how often each resample holds each row, times what each row adds. Spearman's correlation
is Pearson's of ranks, and a resample ranks its own rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from minbert.randomness import generator

Array = NDArray[np.float64]

_AT_ONCE = 500_000
"""Numbers of a matrix that are worked on together: what fits into a processor's cache."""


def resampled_scores(metric: str, labels: Array, predictions: Array, resamples: int) -> Array:
    """Return a metric (resamples, runs) of bootstrap resamples of the rows, the same rows for every run.

    Args:
        metric: a name of ``tasks.metrics.METRICS``.
        labels: (R,).
        predictions: (runs, R) of each run, of the kind that ``tasks.metrics.scores`` takes.
        resamples: how many times R rows are drawn with replacement. The draws follow from the labels alone.
    """
    drawn = [_scores(metric, labels, predictions, counts) for counts in _counts(labels, resamples)]
    return np.concatenate(drawn)


def score_each(metric: str, labels: Array, predictions: Array) -> Array:
    """Return a metric (runs,) of predictions (runs, R) for labels (R,): that of ``tasks.metrics.scores``."""
    return np.asarray(_scores(metric, labels, predictions, np.ones((1, len(labels))))[0])


def half_scores(metric: str, labels: Array, predictions: Array, halvings: int) -> Array:
    """Return a metric (halvings, 2, runs) of both halves of the rows, halved at random again and again.

    Args:
        metric: a name of ``tasks.metrics.METRICS``.
        labels: (R,), two or more. Of an odd number the first half has one less.
        predictions: (runs, R).
        halvings: how many times the rows are halved. The halves follow from the labels alone.
    """
    both = [
        np.stack([_scores(metric, labels, predictions, half) for half in (first, 1 - first)], 1)
        for first in _first_halves(labels, halvings)
    ]
    return np.concatenate(both)


def swapped_differences(metric: str, labels: Array, first: Array, second: Array, swaps: int) -> Array:
    """Return differences (swaps,) of two systems' mean scores with their answers to each row swapped by a coin's fall.

    A row's coin is the same for all runs: a swap gives each run of ``first`` the answers of each run of ``second``
    to the rows whose coin says so, and the difference is the mean over all such pairs of runs. Answers of a
    correlation are standardized (Pearson) or ranked (Spearman) first, because a correlation knows no scale.

    Args:
        metric: a name of ``tasks.metrics.METRICS``.
        labels: (R,).
        first: (runs, R) predictions of one system's runs.
        second: (other runs, R) predictions of the other's.
        swaps: how many times the coins are thrown. Their falls follow from the labels alone.
    """
    compared = labels
    if metric == "spearman":
        metric, compared, first, second = "pearson", _ranked(labels), _ranked(first), _ranked(second)
    of_first, of_second = (_per_row(metric, compared, _standardized(runs, metric)) for runs in (first, second))
    both = np.concatenate([of_first, of_second])
    runs, rows, parts = both.shape
    flat = both.transpose(1, 0, 2).reshape(rows, runs * parts)
    differences = []
    for coins in _coins(labels, swaps):
        moved = (coins @ flat).reshape(len(coins), runs, parts)
        gained = moved[:, None, len(first) :] - moved[:, : len(first), None]  # (swaps, runs, other runs, parts)
        swapped_first = _from_sums(metric, of_first.sum(1)[:, None] + gained)
        swapped_second = _from_sums(metric, of_second.sum(1) - gained)
        differences.append((swapped_first - swapped_second).mean((1, 2)))
    return np.concatenate(differences)


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


def _scores(metric: str, labels: Array, predictions: Array, counts: Array) -> Array:
    """Return a metric (resamples, runs) of resamples given by their counts (resamples, R) of each row."""
    if metric == "spearman":
        label_ranks = _resampled_ranks(labels, counts)
        ranks = (_resampled_ranks(run, counts) for run in predictions)
        return np.stack([_weighted_correlation(label_ranks, run, counts) for run in ranks], -1)
    per_row = _per_row(metric, labels, _standardized(predictions, metric))
    runs, rows, parts = per_row.shape
    sums = counts @ per_row.transpose(1, 0, 2).reshape(rows, runs * parts)
    return _from_sums(metric, sums.reshape(len(counts), runs, parts))


def _per_row(metric: str, labels: Array, predictions: Array) -> Array:
    """Return what each row adds to the sums that a metric is a function of, (runs, R, parts)."""
    both = np.broadcast_arrays(labels, predictions)
    if metric == "accuracy":
        return np.stack([both[0] == both[1], np.ones_like(both[0])], -1).astype(np.float64)
    if metric == "pearson":
        label, predicted = _standardized(both[0], metric), both[1]
        return np.stack([np.ones_like(label), label, label**2, predicted, predicted**2, label * predicted], -1)
    classes = np.array([1.0]) if metric == "f1" else np.union1d(labels, predictions)
    true, said = (values[..., None] == classes for values in both)
    return np.concatenate([true & said, true, said], -1).astype(np.float64)


def _from_sums(metric: str, sums: Array) -> Array:
    """Return the metric (...) of sums (..., parts) over rows of what ``_per_row`` gives."""
    if metric == "accuracy":
        return np.asarray(sums[..., 0] / sums[..., 1])
    if metric == "pearson":
        n, label, label2, predicted, predicted2, product = np.moveaxis(sums, -1, 0)
        covariance = product - label * predicted / n
        return _correlation(covariance, label2 - label**2 / n, predicted2 - predicted**2 / n, n)
    right, true, said = np.split(sums, 3, -1)
    of_class = 2 * right / np.maximum(true + said, 1)
    return np.asarray(of_class.sum(-1) / np.maximum((true + said > 0).sum(-1), 1))


def _correlation(covariance: Array, one: Array, other: Array, n: Array) -> Array:
    """Return correlations from sums of products about the mean; 0 where either side is constant."""
    varies = (one > 1e-12 * n) & (other > 1e-12 * n)
    scale = np.sqrt(np.where(varies, one * other, 1.0))
    return np.where(varies, np.clip(covariance / scale, -1, 1), 0.0)


def _standardized(values: Array, metric: str) -> Array:
    """Return values (..., R) with mean 0 and variance 1 where the metric is a correlation; a constant gives zeros."""
    if metric != "pearson":
        return values
    centred = values - values.mean(-1, keepdims=True)
    constant = np.ptp(values, -1, keepdims=True) <= 1e-12 * np.maximum(1.0, np.abs(values).max(-1, keepdims=True))
    scale = np.sqrt((centred**2).mean(-1, keepdims=True))
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, scale))


def _ranked(values: Array) -> Array:
    """Return the rank (..., R) of each value in its row, ties sharing their mean."""
    once = np.ones((1, values.shape[-1]))
    return np.apply_along_axis(lambda row: _resampled_ranks(row, once)[0], -1, values)


def _resampled_ranks(values: Array, counts: Array) -> Array:
    """Return the mean rank (resamples, R) of each row's value in each resample, ties sharing theirs."""
    distinct, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(distinct)))
    of_group = np.add.reduceat(counts[:, order], starts, axis=1)
    rank = np.cumsum(of_group, axis=1) - (of_group - 1) / 2
    return np.asarray(rank[:, group])


def _weighted_correlation(one: Array, other: Array, counts: Array) -> Array:
    """Return Pearson's correlation (resamples,) of two (resamples, R) with rows counted (resamples, R) times."""
    n = counts.sum(1)
    one = one - ((counts * one).sum(1) / n)[:, None]
    other = other - ((counts * other).sum(1) / n)[:, None]
    weighted = counts * one
    return _correlation(
        (weighted * other).sum(1), (weighted * one).sum(1), np.einsum("ij,ij,ij->i", counts, other, other), n
    )
