"""Scores of predictions against labels, from scikit-learn and scipy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from minbert.tasks.kinds import Kind

Values = NDArray[np.float64]


class ConstantPredictions(UserWarning):
    """A correlation was asked of predictions (or labels) that are all the same."""


def _accuracy(labels: Values, predictions: Values) -> float:
    return float(np.mean(labels == predictions))


def _macro_f1(labels: Values, predictions: Values) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, average="macro", zero_division=0.0))


def _f1(labels: Values, predictions: Values) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, average="binary", zero_division=0.0))


def _correlation(labels: Values, predictions: Values, function: str) -> float:
    import scipy.stats

    for name, values in (("labels", labels), ("predictions", predictions)):
        if len(values) < 2 or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
            warnings.warn(f"the {name} are constant, so their correlation is taken as 0", ConstantPredictions, 2)
            return 0.0
    return float(getattr(scipy.stats, function)(labels, predictions).statistic)


def _pearson(labels: Values, predictions: Values) -> float:
    return _correlation(labels, predictions, "pearsonr")


def _spearman(labels: Values, predictions: Values) -> float:
    return _correlation(labels, predictions, "spearmanr")


METRICS: dict[Kind, dict[str, Callable[[Values, Values], float]]] = {
    "classification": {"accuracy": _accuracy, "macro_f1": _macro_f1},
    "binary": {"accuracy": _accuracy, "f1": _f1},
    "regression": {"pearson": _pearson, "spearman": _spearman},
}
"""Every metric of a kind of task: a function of labels (R,) and predictions (R,). The first is the kind's default."""

CORRELATIONS = {"pearson", "spearman"}
"""Metrics from -1 to 1; the others go from 0 to 1."""


def scores(kind: Kind, labels: Values, predictions: Values) -> dict[str, float]:
    """Return every score of the kind for labels (R,) and predictions (R,).

    Predictions are classes, 0 or 1, or scores. A correlation with a constant is 0, with a ``ConstantPredictions``
    warning. Macro F1 is the mean over the classes that occur in labels or predictions.

    Raises:
        ValueError: there are no rows, or a prediction is not a finite number.
    """
    if not len(labels) or labels.shape != predictions.shape:
        raise ValueError(f"labels and predictions must be as many, at least one: {labels.shape}, {predictions.shape}")
    if not np.isfinite(predictions).all():
        raise ValueError("a prediction is not a finite number")
    return {name: metric(labels, predictions) for name, metric in METRICS[kind].items()}


def overall(primary: Mapping[str, tuple[str, float]]) -> float:
    """Return the mean over tasks of each task's own metric; ``primary`` maps a task to its metric's name and score.

    The papers' "overall": mean of sentiment accuracy, paraphrase accuracy and similarity's Pearson r.
    """
    return float(np.mean([score for _, score in primary.values()]))


def overall_leaderboard(primary: Mapping[str, tuple[str, float]]) -> float:
    """Return the course leaderboard's mean, where a correlation r counts as (r + 1) / 2."""
    return float(np.mean([(s + 1) / 2 if metric in CORRELATIONS else s for metric, s in primary.values()]))
