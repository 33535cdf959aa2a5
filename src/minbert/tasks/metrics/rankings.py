"""How well probabilities put the rows of a class before all others, whatever the threshold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

import numpy as np

from minbert.tasks.metrics.base import Metric, Values
from minbert.tasks.metrics.ranks import ranked


class Levels(NamedTuple):
    """The distinct probabilities (L) that rows of a class have, the highest first, in each of S resamples."""

    true: Values
    """(S, L) rows of the class that have it."""
    above: Values
    """(S, L) rows of any class that have a higher one."""
    level: Values
    """(S, L) rows of any class that have it."""
    rows: Values
    """(S,) all rows."""


class Ranking(Metric):
    """The mean over classes of how well each one's probabilities rank its rows.

    Classes count that have a row, and for which ``ranks`` is defined. Of two classes the second counts, which is yes.
    """

    of_probabilities: ClassVar[bool] = True
    by_nobody: ClassVar[float]
    """The score where no class has one."""

    @abstractmethod
    def ranks(self, levels: Levels) -> Values:
        """Return the score (S,) of a class in S resamples; no number where it is not defined."""

    def of_counts(self, labels: Values, outputs: Values, counts: Values) -> Values:
        """Return the scores (S, runs) of resamples, all at once; see ``Metric.of_counts``."""
        scores = np.empty((len(counts), len(outputs)))
        for run, probabilities in enumerate(outputs):
            total, known = np.zeros(len(counts)), np.zeros(len(counts))
            for true, values in _classes(labels, probabilities):
                if true.any():
                    of_class = self.ranks(_levels(true, values, counts))
                    total += np.nan_to_num(of_class)
                    known += np.isfinite(of_class)
            scores[:, run] = np.where(known > 0, total / np.maximum(known, 1), self.by_nobody)
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

    def ranks(self, levels: Levels) -> Values:
        """Return the area; no number where there are no rows of the class, or no others."""
        rows = levels.true.sum(1)
        others = levels.rows - rows
        true_above = levels.true.cumsum(1) - levels.true
        not_below = levels.above - true_above + (levels.level - levels.true) / 2  # others, ties by half
        pairs = rows * others
        below = (levels.true * (others[:, None] - not_below)).sum(1)
        return np.where(pairs > 0, below / np.where(pairs > 0, pairs, 1.0), np.nan)


class AveragePrecision(Ranking):
    """The mean, over the rows of a class, of precision among all rows that are as probable or more."""

    name: ClassVar[str] = "average_precision"
    title: ClassVar[str] = "Average precision"
    axis: ClassVar[str] = "average precision"
    hub: ClassVar[str] = "average_precision"
    hub_arguments: ClassVar[Mapping[str, str]] = {"average": "macro"}
    by_nobody: ClassVar[float] = 0.0

    def ranks(self, levels: Levels) -> Values:
        """Return average precision; no number where there are no rows of the class."""
        precision = levels.true.cumsum(1) / np.maximum(levels.above + levels.level, 1)
        rows = levels.true.sum(1)
        return np.where(rows > 0, (levels.true * precision).sum(1) / np.where(rows > 0, rows, 1.0), np.nan)


def _levels(true: Values, values: Values, counts: Values) -> Levels:
    """Return the levels of the rows that are ``true`` (R,), by their values (R,), in resamples of counts (S, R)."""
    held = np.flatnonzero(true)
    order = np.argsort(-values, kind="stable")
    distinct, group = np.unique(-values[held], return_inverse=True)
    above, up_to = (np.searchsorted(-values[order], distinct, side) for side in ("left", "right"))
    passed = np.zeros((len(counts), len(values) + 1))
    np.cumsum(counts[:, order], axis=1, out=passed[:, 1:])
    by_group = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[by_group], np.arange(len(distinct)))
    of_true = np.add.reduceat(counts[:, held[by_group]], starts, axis=1)
    return Levels(of_true, passed[:, above], passed[:, up_to] - passed[:, above], passed[:, -1])


def _classes(labels: Values, probabilities: Values) -> Iterator[tuple[Values, Values]]:
    """Yield for each class which rows are of it (R,), as 0 and 1, and its probabilities (R,)."""
    classes = probabilities.shape[1]
    several = labels.ndim == 2
    for number in range(1 if classes == 2 and not several else 0, classes):
        true = labels[:, number] if several else (labels == number).astype(np.float64)
        yield true, probabilities[:, number]
