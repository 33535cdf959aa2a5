"""Metrics: from labels and answers to a number. One class each; see ``base.Metric``."""

from minbert.tasks.metrics.base import ConstantPredictions, Metric, Values
from minbert.tasks.metrics.known import METRICS, with_direction, worth
from minbert.tasks.metrics.overall import overall, overall_leaderboard

__all__ = [
    "METRICS",
    "ConstantPredictions",
    "Metric",
    "Values",
    "overall",
    "overall_leaderboard",
    "with_direction",
    "worth",
]
