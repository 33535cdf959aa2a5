"""Means over rows: the share that is right, and how far off scores are."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from minbert.tasks.metrics.base import MetricOfSums, Values


class MeanOverRows(MetricOfSums):
    """The mean of a number of each row."""

    @abstractmethod
    def of_each(self, labels: Values, outputs: Values) -> Values:
        """Return each row's number (runs, R), of outputs (runs, R, ...)."""

    def parts(self, labels: Values, outputs: Values) -> Values:
        """Return each row's number and that it is one row."""
        numbers = self.of_each(labels, outputs)
        return np.stack([numbers, np.ones_like(numbers)], -1)

    def from_sums(self, sums: Values) -> Values:
        """Return the mean."""
        return np.asarray(sums[..., 0] / sums[..., 1])


class Accuracy(MeanOverRows):
    """The share of rows that are right."""

    name: ClassVar[str] = "accuracy"
    title: ClassVar[str] = "Accuracy"
    axis: ClassVar[str] = "accuracy (share)"
    hub: ClassVar[str] = "accuracy"

    def of_each(self, labels: Values, outputs: Values) -> Values:
        """Return 1 for a right answer, 0 for a wrong one."""
        return np.asarray(labels == outputs, dtype=np.float64)

    def of_rows(self, labels: Values, outputs: Values) -> float:
        """Return the share."""
        return float(np.mean(labels == outputs))


class MeanError(MeanOverRows):
    """An error in the labels' own units. In a mean over tasks it counts as 1 less its share of the labels' span."""

    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    less_is_better: ClassVar[bool] = True

    def counted(self, score: Values, span: float) -> Values:
        """Return ``1 - score / span``: 1 where nothing is off, 0 where all is by as much as can be."""
        return 1 - score / span

    @property
    def counted_bounds(self) -> tuple[float, float]:
        """From 0 to 1."""
        return (0.0, 1.0)


class MeanAbsoluteError(MeanError):
    """``mean |label - prediction|``."""

    name: ClassVar[str] = "mae"
    title: ClassVar[str] = "Mean absolute error"
    axis: ClassVar[str] = "mean absolute error"
    hub: ClassVar[str] = "mae"

    def of_each(self, labels: Values, outputs: Values) -> Values:
        """Return how far off each row is."""
        return np.abs(labels - outputs)


class RootMeanSquaredError(MeanError):
    """``sqrt(mean (label - prediction)^2)``."""

    name: ClassVar[str] = "rmse"
    title: ClassVar[str] = "Root mean squared error"
    axis: ClassVar[str] = "root mean squared error"
    hub: ClassVar[str] = "mse"
    hub_arguments: ClassVar[dict[str, str]] = {"squared": "False"}

    def of_each(self, labels: Values, outputs: Values) -> Values:
        """Return the square of how far off each row is."""
        return np.square(labels - outputs)

    def from_sums(self, sums: Values) -> Values:
        """Return the root of the mean."""
        return np.sqrt(super().from_sums(sums))
