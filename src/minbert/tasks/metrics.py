"""Scores of predictions against labels, from scikit-learn and scipy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minbert.errors import Notice
from minbert.tasks.predictions import Predictions

Values = NDArray[np.float64]


class ConstantPredictions(Notice):
    """A correlation was asked of predictions (or labels) that are all the same."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A way to score ``R`` predictions against their labels; more is better."""

    score: Callable[[Values, Predictions], float]
    title: str
    """As people call it."""
    hub: str
    """The hub's name for it."""
    hub_arguments: Mapping[str, str] = field(default_factory=dict)
    """What the hub must know beside the name."""
    bounds: tuple[float, float] = (0.0, 1.0)
    """The least and the greatest score there can be."""


def _accuracy(labels: Values, predicted: Predictions) -> float:
    return float(np.mean(labels == predicted.values))


def _macro_f1(labels: Values, predicted: Predictions) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predicted.values, average="macro", zero_division=0.0))


def _f1(labels: Values, predicted: Predictions) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predicted.values, average="binary", zero_division=0.0))


def _correlation(labels: Values, predictions: Values, function: str) -> float:
    import scipy.stats

    for name, values in (("labels", labels), ("predictions", predictions)):
        if len(values) < 2 or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
            warnings.warn(f"the {name} are constant, so their correlation is taken as 0", ConstantPredictions, 2)
            return 0.0
    return float(getattr(scipy.stats, function)(labels, predictions).statistic)


def _pearson(labels: Values, predicted: Predictions) -> float:
    return _correlation(labels, predicted.values, "pearsonr")


def _spearman(labels: Values, predicted: Predictions) -> float:
    return _correlation(labels, predicted.values, "spearmanr")


METRICS = {
    "accuracy": Metric(_accuracy, "Accuracy", "accuracy"),
    "macro_f1": Metric(_macro_f1, "Macro F1", "f1", {"average": "macro"}),
    "f1": Metric(_f1, "F1", "f1"),
    "pearson": Metric(_pearson, "Pearson r", "pearsonr", bounds=(-1.0, 1.0)),
    "spearman": Metric(_spearman, "Spearman rho", "spearmanr", bounds=(-1.0, 1.0)),
}
"""Every metric by its name; a kind of task names its own (``Kind.metrics``).

A correlation with a constant is 0, with a ``ConstantPredictions`` warning. Macro F1 is the mean over the classes that
occur in labels or predictions.
"""


def overall(primary: Mapping[str, tuple[str, float]]) -> float:
    """Return the mean over tasks of each task's own metric; ``primary`` maps a task to its metric's name and score.

    The papers' "overall": mean of sentiment accuracy, paraphrase accuracy and similarity's Pearson r.
    """
    return float(np.mean([score for _, score in primary.values()]))


def overall_leaderboard(primary: Mapping[str, tuple[str, float]]) -> float:
    """Return the course leaderboard's mean, where each score counts by how far it is from the least to the greatest.

    So a correlation r counts as (r + 1) / 2.
    """
    return float(np.mean([_share(score, *METRICS[metric].bounds) for metric, score in primary.values()]))


def _share(score: float, least: float, greatest: float) -> float:
    return (score - least) / (greatest - least)
