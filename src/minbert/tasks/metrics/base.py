"""What a metric is: how labels and a model's answers come to a number, for all rows and for many resamples of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from minbert.errors import Notice
from minbert.tasks.predictions import Predictions

Values = NDArray[np.float64]


class ConstantPredictions(Notice):
    """A correlation was asked of predictions (or labels) that are all the same."""


class Metric(ABC):
    """A way to score ``R`` rows' answers against their labels.

    Labels are (R,), or (R, classes) of 0 and 1 where a row has several classes. What is scored, the *outputs*, is the
    same shape where decisions are scored, and (R, classes) where probabilities are.
    """

    name: ClassVar[str]
    """How recipes call it."""
    title: ClassVar[str]
    """As people call it."""
    axis: ClassVar[str]
    """What an axis of a figure is called."""
    hub: ClassVar[str]
    """The hub's name for it."""
    hub_arguments: ClassVar[Mapping[str, str]] = {}
    """What the hub must know beside the name."""
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """The least and the greatest score there can be."""
    less_is_better: ClassVar[bool] = False
    of_probabilities: ClassVar[bool] = False
    """Whether it scores the probabilities of classes, not what is decided from them."""

    def outputs(self, predicted: Predictions) -> Values:
        """Return what is scored of predictions: (R,) or (R, classes)."""
        if not self.of_probabilities:
            return predicted.values
        assert predicted.probabilities is not None  # a kind without classes has no such metric
        return predicted.probabilities

    def score(self, labels: Values, predicted: Predictions) -> float:
        """Return the score of predictions for all rows."""
        return self.of_rows(labels, self.outputs(predicted))

    @abstractmethod
    def of_rows(self, labels: Values, outputs: Values) -> float:
        """Return the score of one model's outputs."""

    def of_counts(self, labels: Values, outputs: Values, counts: Values) -> Values:
        """Return the scores (S, runs) of S resamples of the rows.

        This way is open to every metric: it scores one resample after the other. Metrics that can, score many at once.

        Args:
            labels: of the R rows.
            outputs: (runs, R, ...) of each run.
            counts: (S, R) how often each resample holds each row.
        """
        scores = np.empty((len(counts), len(outputs)))
        for resample, count in enumerate(counts.astype(np.int64)):
            held = np.repeat(np.arange(len(labels)), count)
            scores[resample] = [self.of_rows(labels[held], run[held]) for run in outputs]
        return scores

    def exchangeable(self, labels: Values, outputs: Values) -> tuple[Values, Values]:
        """Return labels and outputs (runs, R, ...) on a scale on which two systems' outputs may be exchanged."""
        return labels, outputs

    def of_swaps(self, labels: Values, first: Values, second: Values, coins: Values) -> Values:
        """Return how much higher one system scores than another, (S,), with outputs exchanged where a coin says so.

        The difference is the mean over all pairs of a run of each. Outputs come as ``exchangeable`` gives them.

        Args:
            labels: of the R rows.
            first: (runs, R, ...) of the one system's runs.
            second: (other runs, R, ...) of the other's.
            coins: (S, R) of 0 and 1: whether a row's outputs are exchanged.
        """
        # Two systems' outputs to a row are two rows, one of which each system holds.
        twice = np.concatenate([labels, labels])
        total = np.zeros(len(coins))
        for one in first:
            for other in second:
                both = np.concatenate([one, other])[None]
                total += self.of_counts(twice, both, np.concatenate([1 - coins, coins], axis=1))[:, 0]
                total -= self.of_counts(twice, both, np.concatenate([coins, 1 - coins], axis=1))[:, 0]
        return total / (len(first) * len(second))

    def counted(self, score: Values, span: float) -> Values:  # noqa: ARG002
        """Return what a score counts in a mean over tasks; ``span`` is from the lowest label to the highest."""
        return score

    @property
    def counted_bounds(self) -> tuple[float, float]:
        """The least and the greatest that a score can count."""
        return self.bounds


class MetricOfSums(Metric):
    """A metric that is a function of sums over rows, of right answers or of products.

    So the sums of all resamples are one product of matrices: how often each resample holds each row, times what each
    row adds.
    """

    @abstractmethod
    def parts(self, labels: Values, outputs: Values) -> Values:
        """Return what each row adds to the sums, (runs, R, parts), of outputs (runs, R, ...)."""

    @abstractmethod
    def from_sums(self, sums: Values) -> Values:
        """Return the scores (...) of sums (..., parts)."""

    def of_rows(self, labels: Values, outputs: Values) -> float:
        """Return the score of one model's outputs."""
        return float(self.from_sums(self.parts(labels, outputs[None])[0].sum(0)))

    def of_counts(self, labels: Values, outputs: Values, counts: Values) -> Values:
        """Return the scores (S, runs) of resamples, all at once; see ``Metric.of_counts``."""
        parts = self.parts(*self.exchangeable(labels, outputs))
        runs, rows, number = parts.shape
        sums = counts @ parts.transpose(1, 0, 2).reshape(rows, runs * number)
        return self.from_sums(sums.reshape(len(counts), runs, number))

    def of_swaps(self, labels: Values, first: Values, second: Values, coins: Values) -> Values:
        """Return the differences (S,) of swapped outputs, all at once; see ``Metric.of_swaps``."""
        both = self.parts(labels, np.concatenate([first, second]))
        of_first, of_second = both[: len(first)], both[len(first) :]
        runs, rows, number = both.shape
        moved = (coins @ both.transpose(1, 0, 2).reshape(rows, runs * number)).reshape(len(coins), runs, number)
        gained = moved[:, None, len(first) :] - moved[:, : len(first), None]  # (swaps, runs, other runs, parts)
        swapped_first = self.from_sums(of_first.sum(1)[:, None] + gained)
        swapped_second = self.from_sums(of_second.sum(1) - gained)
        return np.asarray((swapped_first - swapped_second).mean((1, 2)))
