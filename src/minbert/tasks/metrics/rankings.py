"""How well probabilities put the rows of a class before all others, whatever the threshold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from minbert.tasks.metrics.base import Metric, Values
from minbert.tasks.metrics.ranks import grouped, ranked


class Ranking(Metric):
    """The mean over classes of how well each one's probabilities rank its rows.

    Classes count that have a row, and for which ``ranks`` is defined. Of two classes the second counts, which is yes.
    """

    of_probabilities: ClassVar[bool] = True
    by_nobody: ClassVar[float]
    """The score where no class has one."""

    @abstractmethod
    def ranks(self, values: Values, true: Values, false: Values) -> Values:
        """Return the score (S,) of probabilities (R,) in S resamples; no number where it is not defined.

        ``true`` and ``false`` (S, R) are how often a resample holds each row of the class, and each of the others.
        """

    def of_counts(self, labels: Values, outputs: Values, counts: Values) -> Values:
        """Return the scores (S, runs) of resamples, all at once; see ``Metric.of_counts``."""
        scores = np.empty((len(counts), len(outputs)))
        for run, probabilities in enumerate(outputs):
            of_classes = np.stack(
                [
                    self.ranks(values, counts * true, counts * (1 - true))
                    for true, values in _classes(labels, probabilities)
                ]
            )
            known = np.isfinite(of_classes)
            total = np.where(known, of_classes, 0.0).sum(0)
            scores[:, run] = np.where(known.any(0), total / np.maximum(known.sum(0), 1), self.by_nobody)
        return scores

    def of_rows(self, labels: Values, outputs: Values) -> float:
        """Return the score of one model's probabilities."""
        return float(self.of_counts(labels, outputs[None], np.ones((1, len(labels))))[0, 0])

    def exchangeable(self, labels: Values, outputs: Values) -> tuple[Values, Values]:
        """Return ranks of probabilities, class by class, because a ranking knows no scale."""
        return labels, np.moveaxis(ranked(np.moveaxis(outputs, 1, -1)), -1, 1)


class AreaUnderCurve(Ranking):
    """The area under the ROC curve: the chance that a row of the class is put before another (Hanley & McNeil 1982)."""

    name: ClassVar[str] = "roc_auc"
    title: ClassVar[str] = "ROC AUC"
    axis: ClassVar[str] = "area under the ROC curve"
    hub: ClassVar[str] = "roc_auc"
    by_nobody: ClassVar[float] = 0.5

    def ranks(self, values: Values, true: Values, false: Values) -> Values:
        """Return the area; no number where there are no rows of the class, or no others."""
        _, of_true, of_false = grouped(values, true, false)
        below = np.cumsum(of_false, axis=1) - of_false / 2
        pairs = true.sum(1) * false.sum(1)
        return np.where(pairs > 0, (of_true * below).sum(1) / np.where(pairs > 0, pairs, 1.0), np.nan)


class AveragePrecision(Ranking):
    """The mean, over the rows of a class, of precision among all rows that are as probable or more."""

    name: ClassVar[str] = "average_precision"
    title: ClassVar[str] = "Average precision"
    axis: ClassVar[str] = "average precision"
    hub: ClassVar[str] = "average_precision"
    hub_arguments: ClassVar[Mapping[str, str]] = {"average": "macro"}
    by_nobody: ClassVar[float] = 0.0

    def ranks(self, values: Values, true: Values, false: Values) -> Values:
        """Return average precision; no number where there are no rows of the class."""
        _, of_true, of_all = grouped(-values, true, true + false)
        precision = np.cumsum(of_true, axis=1) / np.maximum(np.cumsum(of_all, axis=1), 1)
        rows = true.sum(1)
        return np.where(rows > 0, (of_true * precision).sum(1) / np.where(rows > 0, rows, 1.0), np.nan)


def _classes(labels: Values, probabilities: Values) -> Iterator[tuple[Values, Values]]:
    """Yield for each class which rows are of it (R,), as 0 and 1, and its probabilities (R,)."""
    classes = probabilities.shape[1]
    several = labels.ndim == 2
    for number in range(1 if classes == 2 and not several else 0, classes):
        true = labels[:, number] if several else (labels == number).astype(np.float64)
        yield true, probabilities[:, number]
