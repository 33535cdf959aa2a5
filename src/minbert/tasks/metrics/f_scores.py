"""F1: the harmonic mean of precision and recall, of one class or over classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from minbert.tasks.metrics.base import MetricOfSums, Values


class OverClasses(MetricOfSums):
    """A function of how often each class is predicted rightly, is true, and is predicted.

    Labels are class numbers (R,), or (R, classes) of 0 and 1.
    """

    hub: ClassVar[str] = "f1"

    def parts(self, labels: Values, outputs: Values) -> Values:
        """Return 0 or 1 for each class: rightly predicted, true, and predicted."""
        if labels.ndim == 2:
            true, said = (values == 1 for values in np.broadcast_arrays(labels, outputs))
        else:
            classes = self.classes(labels, outputs)
            true, said = (values[..., None] == classes for values in np.broadcast_arrays(labels, outputs))
        return np.concatenate([true & said, true, said], -1).astype(np.float64)

    def classes(self, labels: Values, outputs: Values) -> Values:
        """Return the numbers of the classes that count."""
        return np.union1d(labels, outputs)


class F1(OverClasses):
    """F1 of the class 1, which is yes."""

    name: ClassVar[str] = "f1"
    title: ClassVar[str] = "F1"
    axis: ClassVar[str] = "F1 (0 to 1)"

    def classes(self, labels: Values, outputs: Values) -> Values:  # noqa: ARG002
        """Return yes."""
        return np.array([1.0])

    def from_sums(self, sums: Values) -> Values:
        """Return F1; 0 where the class is neither true nor predicted."""
        right, true, said = np.split(sums, 3, -1)
        return np.asarray((2 * right / np.maximum(true + said, 1)).sum(-1))


class MacroF1(OverClasses):
    """The mean of the classes' F1, of classes that occur in labels or predictions."""

    name: ClassVar[str] = "macro_f1"
    title: ClassVar[str] = "Macro F1"
    axis: ClassVar[str] = "macro F1 (0 to 1)"
    hub_arguments: ClassVar[Mapping[str, str]] = {"average": "macro"}

    def from_sums(self, sums: Values) -> Values:
        """Return the mean; 0 where no class occurs."""
        right, true, said = np.split(sums, 3, -1)
        of_class = 2 * right / np.maximum(true + said, 1)
        return np.asarray(of_class.sum(-1) / np.maximum((true + said > 0).sum(-1), 1))


class WeightedF1(OverClasses):
    """The mean of the classes' F1, each as often as it is true."""

    name: ClassVar[str] = "weighted_f1"
    title: ClassVar[str] = "Weighted F1"
    axis: ClassVar[str] = "weighted F1 (0 to 1)"
    hub_arguments: ClassVar[Mapping[str, str]] = {"average": "weighted"}

    def from_sums(self, sums: Values) -> Values:
        """Return the mean."""
        right, true, said = np.split(sums, 3, -1)
        return np.asarray((true * 2 * right / np.maximum(true + said, 1)).sum(-1) / true.sum(-1))


class MicroF1(OverClasses):
    """F1 of all classes' answers together."""

    name: ClassVar[str] = "micro_f1"
    title: ClassVar[str] = "Micro F1"
    axis: ClassVar[str] = "micro F1 (0 to 1)"
    hub_arguments: ClassVar[Mapping[str, str]] = {"average": "micro"}

    def from_sums(self, sums: Values) -> Values:
        """Return F1; 0 where no class is true or predicted."""
        right, true, said = (part.sum(-1) for part in np.split(sums, 3, -1))
        return np.asarray(2 * right / np.maximum(true + said, 1))


class Matthews(OverClasses):
    """Matthews' correlation coefficient, over any number of classes (Gorodkin 2004, equation 8)."""

    name: ClassVar[str] = "mcc"
    title: ClassVar[str] = "Matthews correlation"
    axis: ClassVar[str] = "Matthews correlation"
    hub: ClassVar[str] = "matthews_correlation"
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def from_sums(self, sums: Values) -> Values:
        """Return the coefficient; 0 where labels or predictions are all of one class."""
        right, true, said = np.split(sums, 3, -1)
        rows = true.sum(-1)
        covariance = rows * right.sum(-1) - (true * said).sum(-1)
        of_true, of_said = (rows**2 - (part**2).sum(-1) for part in (true, said))
        scale = np.sqrt(of_true * of_said)
        return np.asarray(np.where(scale > 0, covariance / np.where(scale > 0, scale, 1.0), 0.0))
