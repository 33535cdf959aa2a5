"""Every metric there is."""

from __future__ import annotations

from minbert.tasks.metrics.base import Metric
from minbert.tasks.metrics.correlations import Pearson, QuadraticKappa, Spearman
from minbert.tasks.metrics.f_scores import F1, MacroF1, Matthews, MicroF1, WeightedF1
from minbert.tasks.metrics.rankings import AreaUnderCurve, AveragePrecision
from minbert.tasks.metrics.sets import ExactMatch, Jaccard
from minbert.tasks.metrics.shares import Accuracy, MeanAbsoluteError, RootMeanSquaredError

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Accuracy(),
        F1(),
        MacroF1(),
        WeightedF1(),
        MicroF1(),
        Matthews(),
        AveragePrecision(),
        AreaUnderCurve(),
        Pearson(),
        Spearman(),
        MeanAbsoluteError(),
        RootMeanSquaredError(),
        QuadraticKappa(),
        Jaccard(),
        ExactMatch(),
    )
}
"""Every metric by its name; a kind of task names its own (``Kind.metrics``)."""


def with_direction(name: str, title: str | None = None) -> str:
    """Return a metric's name, or its ``title``, as tables have it: beside an error, that less of it is better.

    Names of other scores, as ``overall``, stay as they are.
    """
    error = name in METRICS and METRICS[name].less_is_better
    return f"{title or name} (less is better)" if error else title or name


def worth(name: str, score: float) -> float:
    """Return what is the higher the better: ``score``, or its negative where less is better.

    ``name`` is a metric's, or that of a score as files have it: ``TASK.METRIC``, or an overall one.
    """
    metric = METRICS.get(name.rpartition(".")[2])
    return -score if metric is not None and metric.less_is_better else score
