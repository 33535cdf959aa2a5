"""One number over all tasks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minbert.tasks.metrics.known import METRICS

Counted = Mapping[str, tuple[str, float]]
"""Task to its own metric's name, and to what its score counts (``Metric.counted``)."""


def overall(counted: Counted) -> float:
    """Return the mean over tasks of what each one's own metric counts.

    The papers' "overall": mean of sentiment accuracy, paraphrase accuracy and similarity's Pearson r.
    """
    return float(np.mean([score for _, score in counted.values()]))


def overall_leaderboard(counted: Counted) -> float:
    """Return the course leaderboard's mean, where each score counts by how far it is from the least to the greatest.

    So a correlation r counts as (r + 1) / 2.
    """
    return float(np.mean([_share(score, *METRICS[name].counted_bounds) for name, score in counted.values()]))


def _share(score: float, least: float, greatest: float) -> float:
    return (score - least) / (greatest - least)
