"""Ranks of rows, and of the rows that each of many resamples holds."""

from __future__ import annotations

import numpy as np

from minbert.tasks.metrics.base import Values


def ranked(values: Values) -> Values:
    """Return the rank (..., R) of each value in its row, ties sharing their mean."""
    once = np.ones((1, values.shape[-1]))
    return np.apply_along_axis(lambda row: resampled_ranks(row, once)[0], -1, values)


def resampled_ranks(values: Values, counts: Values) -> Values:
    """Return the mean rank (resamples, R) of each row's value in each resample, ties sharing theirs."""
    distinct, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(distinct)))
    of_group = np.add.reduceat(counts[:, order], starts, axis=1)
    rank = np.cumsum(of_group, axis=1) - (of_group - 1) / 2
    return np.asarray(rank[:, group])
