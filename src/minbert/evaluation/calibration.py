"""Whether a model's probabilities mean what they say, and the one number that mends most of it.

Guo, Pleiss, Sun & Weinberger (2017), "On Calibration of Modern Neural Networks".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minbert.randomness import generator

BINS = 15
"""Bins of equal width from 0 to 1, as many as in the paper."""
TEMPERATURES = (1 / 50, 50.0)
"""No temperature is fitted outside: where all of a few rows are right the likeliest one is 0, which is no answer."""

Values = NDArray[np.float64]

_AT_ONCE = 500_000
"""Numbers of a matrix of simulated answers that are worked on together."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """How confident a model was, and how often right, in bins of confidence."""

    edges: Values
    """(B + 1,) A confidence lies in the bin whose upper edge it does not exceed."""
    counts: NDArray[np.int64]
    """(B,) rows."""
    confidence: Values
    """(B,) mean over the bin's rows; no number where the bin is empty."""
    accuracy: Values
    """(B,) share of the bin's rows that are right; no number where the bin is empty."""

    @property
    def error(self) -> float:
        """The expected calibration error: |accuracy - confidence|, averaged over rows (equation 3 of the paper)."""
        held = self.counts > 0
        gaps = np.abs(self.accuracy[held] - self.confidence[held])
        return float(np.average(gaps, weights=self.counts[held]))


def reliability(confidence: Values, right: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Return confidence against accuracy over ``bins`` bins of equal width.

    Args:
        confidence: (R,) the probability that a model gave to its answer.
        right: (R,) whether the answer was right.
        bins: how many.

    Raises:
        ValueError: there are no rows.
    """
    if not len(confidence) or confidence.shape != right.shape:
        raise ValueError(f"confidence and right must be as many, at least one: {confidence.shape}, {right.shape}")
    edges = np.linspace(0, 1, bins + 1)
    numbers = _bin_of(confidence, edges)
    counts = np.bincount(numbers, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = np.bincount(numbers, weights=confidence, minlength=bins) / counts
        shares = np.bincount(numbers, weights=right.astype(np.float64), minlength=bins) / counts
    return Reliability(edges, counts, means, shares)


def log_loss(probabilities: Values, labels: Values) -> float:
    """Return the mean over rows of ``-log p`` of the right class, for probabilities (R, classes) and labels (R,).

    Where a row has several classes, labels (R, classes) of 0 and 1, it is the mean over classes, too.

    What cross entropy is trained to lower. Unlike accuracy it tells a narrow miss from a wide one, so it moves less by
    chance.

    Raises:
        ValueError: there are no rows.
    """
    if not len(labels) or len(probabilities) != len(labels):
        raise ValueError(f"probabilities and labels must be as many, at least one: {len(probabilities)}, {len(labels)}")
    if labels.ndim == 2:
        probabilities, labels = yes_or_no(probabilities), labels.ravel()
    return float(-np.mean(of_labels(_logarithms(probabilities), labels)))


def yes_or_no(probabilities: Values) -> Values:
    """Return the probabilities (R * classes, 2) of no and yes, where each class is a question of its own."""
    return np.stack([1 - probabilities.ravel(), probabilities.ravel()], axis=1)


def at_temperature(probabilities: Values, temperature: float) -> Values:
    """Return softmax(logits / temperature) for the logits that gave ``probabilities`` (R, classes).

    Logarithms of probabilities will do as logits: they differ from them by a constant a row, which softmax ignores.
    """
    scaled = _logarithms(probabilities) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    powers: Values = np.exp(scaled)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def fit_temperature(probabilities: Values, labels: Values) -> float:
    """Return the temperature under which labels (R,) are likeliest given probabilities (R, classes).

    The log-likelihood is concave in 1 / temperature, so there is one answer; it lies within ``TEMPERATURES``.

    Raises:
        ValueError: there are no rows.
    """
    if not len(labels):
        raise ValueError("a temperature cannot be fitted to no rows")
    logits = _logarithms(probabilities)
    chosen = float(np.mean(of_labels(logits, labels)))
    low, high = np.log(TEMPERATURES)
    for _ in range(50):  # the likelihood's slope is 0 where the mean logit expected is that of the labels
        middle = (low + high) / 2
        expected = (at_temperature(probabilities, np.exp(middle)) * logits).sum(axis=1).mean()
        low, high = (middle, high) if expected > chosen else (low, middle)
    return float(np.exp((low + high) / 2))


def scale_across_halves(probabilities: Values, labels: Values) -> tuple[Values, tuple[float, float]]:
    """Return probabilities (R, classes) at temperatures that no row had a part in, and the two temperatures.

    Rows are put into halves at random, always the same for as many rows. The temperature fitted on the one is that of
    the other, both ways, so what is measured on all rows is measured on rows that nothing was fitted on.

    Raises:
        ValueError: there are fewer than two rows.
    """
    if len(labels) < 2:
        raise ValueError("halves need at least two rows")
    order = generator(0, "halves of calibration").permutation(len(labels))
    halves = (order[: len(order) // 2], order[len(order) // 2 :])
    first, second = (fit_temperature(probabilities[half], labels[half]) for half in halves)
    scaled = np.empty_like(probabilities)
    scaled[halves[0]] = at_temperature(probabilities[halves[0]], second)
    scaled[halves[1]] = at_temperature(probabilities[halves[1]], first)
    return scaled, (first, second)


def error_by_chance(confidence: Values, bins: int = BINS, draws: int = 1000) -> float:
    """Return the calibration error that confidences (R,) would show on average if every one of them were true.

    It is not 0: in a bin of few rows the share of right ones scatters. Simulated, ``draws`` times, always alike.
    """
    rng = generator(0, "calibration error by chance")
    certain = reliability(confidence, np.ones(len(confidence), dtype=np.bool_), bins)
    held = certain.counts > 0
    in_bin = (_bin_of(confidence, certain.edges)[:, None] == np.flatnonzero(held)).astype(np.float64)
    errors = []
    most = max(1, _AT_ONCE // len(confidence))
    for start in range(0, draws, most):
        right = rng.random((min(most, draws - start), len(confidence))) < confidence
        gaps = np.abs((right @ in_bin) / certain.counts[held] - certain.confidence[held])
        errors.append(np.average(gaps, axis=1, weights=certain.counts[held]))
    return float(np.mean(np.concatenate(errors)))


def _bin_of(confidence: Values, edges: Values) -> NDArray[np.int64]:
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)


def of_labels(values: Values, labels: Values) -> Values:
    """Return the value (R,) of each row's label, or of its answer, among those of all classes (R, classes)."""
    return np.take_along_axis(values, labels.astype(int)[:, None], axis=1)[:, 0]


def _logarithms(probabilities: Values) -> Values:
    # Of two classes, one probability is 1 minus the other: a 0 only means too little for float64 to tell from 1.
    least = 2.0**-53 if probabilities.shape[1] == 2 else np.finfo(np.float64).tiny
    logarithms: Values = np.log(np.maximum(probabilities, least))
    return logarithms
