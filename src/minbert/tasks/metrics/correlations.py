"""Correlations of scores with labels, and agreement on an ordered scale."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np

from minbert.tasks.metrics.base import ConstantPredictions, MetricOfSums, Values
from minbert.tasks.metrics.ranks import ranked, resampled_ranks


class Correlation(MetricOfSums):
    """A correlation with a constant is 0, with a ``ConstantPredictions`` warning."""

    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    by_scipy: ClassVar[str]
    """The function of ``scipy.stats``."""

    def of_rows(self, labels: Values, outputs: Values) -> float:
        """Return the correlation, by scipy."""
        import scipy.stats

        for name, values in (("labels", labels), ("predictions", outputs)):
            if len(values) < 2 or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
                warnings.warn(f"the {name} are constant, so their correlation is taken as 0", ConstantPredictions, 2)
                return 0.0
        return float(getattr(scipy.stats, self.by_scipy)(labels, outputs).statistic)

    def exchangeable(self, labels: Values, outputs: Values) -> tuple[Values, Values]:
        """Return both with mean 0 and variance 1, because a correlation knows no scale."""
        return _standardized(labels), _standardized(outputs)

    def parts(self, labels: Values, outputs: Values) -> Values:
        """Return each row's products, of standardized labels and outputs."""
        label, predicted = np.broadcast_arrays(labels, outputs)
        return np.stack([np.ones_like(label), label, label**2, predicted, predicted**2, label * predicted], -1)

    def from_sums(self, sums: Values) -> Values:
        """Return Pearson's correlation."""
        n, label, label2, predicted, predicted2, product = np.moveaxis(sums, -1, 0)
        covariance = product - label * predicted / n
        return _correlation(covariance, label2 - label**2 / n, predicted2 - predicted**2 / n, n)


class Pearson(Correlation):
    """Pearson's correlation."""

    name: ClassVar[str] = "pearson"
    title: ClassVar[str] = "Pearson r"
    axis: ClassVar[str] = "Pearson's r"
    hub: ClassVar[str] = "pearsonr"
    by_scipy: ClassVar[str] = "pearsonr"


class Spearman(Correlation):
    """Pearson's correlation of ranks; a resample ranks its own rows."""

    name: ClassVar[str] = "spearman"
    title: ClassVar[str] = "Spearman rho"
    axis: ClassVar[str] = "Spearman's ρ"
    hub: ClassVar[str] = "spearmanr"
    by_scipy: ClassVar[str] = "spearmanr"

    def of_counts(self, labels: Values, outputs: Values, counts: Values) -> Values:
        """Return the scores (S, runs) of resamples, all at once; see ``Metric.of_counts``."""
        label_ranks = resampled_ranks(labels, counts)
        ranks = (resampled_ranks(run, counts) for run in outputs)
        return np.stack([_weighted_correlation(label_ranks, run, counts) for run in ranks], -1)

    def exchangeable(self, labels: Values, outputs: Values) -> tuple[Values, Values]:
        """Return ranks with mean 0 and variance 1."""
        return super().exchangeable(ranked(labels), ranked(outputs))


class QuadraticKappa(MetricOfSums):
    """Cohen's kappa with quadratic weights (Cohen 1968): 1 less squared errors by those of answers by chance."""

    name: ClassVar[str] = "qwk"
    title: ClassVar[str] = "Quadratic weighted kappa"
    axis: ClassVar[str] = "quadratic weighted κ"
    hub: ClassVar[str] = "cohen_kappa"
    hub_arguments: ClassVar[dict[str, str]] = {"weights": "quadratic"}
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def parts(self, labels: Values, outputs: Values) -> Values:
        """Return one, label, prediction, the sum of both squares, and the squared error of each row."""
        label, said = np.broadcast_arrays(labels, outputs)
        return np.stack([np.ones_like(label), label, said, label**2 + said**2, (label - said) ** 2], -1)

    def from_sums(self, sums: Values) -> Values:
        """Return kappa; 0 where labels and predictions are one and the same class."""
        n, label, said, squares, observed = np.moveaxis(sums, -1, 0)
        expected = squares - 2 * label * said / n
        some = expected > 1e-9 * n
        return np.asarray(np.where(some, 1 - observed / np.where(some, expected, 1.0), 0.0))


def _correlation(covariance: Values, one: Values, other: Values, n: Values) -> Values:
    """Return correlations from sums of products about the mean; 0 where either side is constant."""
    varies = (one > 1e-12 * n) & (other > 1e-12 * n)
    scale = np.sqrt(np.where(varies, one * other, 1.0))
    return np.where(varies, np.clip(covariance / scale, -1, 1), 0.0)


def _standardized(values: Values) -> Values:
    """Return values (..., R) with mean 0 and variance 1; a constant gives zeros."""
    centred = values - values.mean(-1, keepdims=True)
    constant = np.ptp(values, -1, keepdims=True) <= 1e-12 * np.maximum(1.0, np.abs(values).max(-1, keepdims=True))
    scale = np.sqrt((centred**2).mean(-1, keepdims=True))
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, scale))


def _weighted_correlation(one: Values, other: Values, counts: Values) -> Values:
    """Return Pearson's correlation (resamples,) of two (resamples, R) with rows counted (resamples, R) times."""
    n = counts.sum(1)
    one = one - ((counts * one).sum(1) / n)[:, None]
    other = other - ((counts * other).sum(1) / n)[:, None]
    weighted = counts * one
    return _correlation(
        (weighted * other).sum(1), (weighted * one).sum(1), np.einsum("ij,ij,ij->i", counts, other, other), n
    )
