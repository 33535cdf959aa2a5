"""How well sets of classes are met: what is scored row by row of tasks whose rows have several classes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from minbert.tasks.metrics.base import Values
from minbert.tasks.metrics.shares import MeanOverRows


class ExactMatch(MeanOverRows):
    """The share of rows whose classes are all right."""

    name: ClassVar[str] = "exact_match"
    title: ClassVar[str] = "Exact match"
    axis: ClassVar[str] = "exact match (share)"
    hub: ClassVar[str] = "exact_match"

    def of_each(self, labels: Values, outputs: Values) -> Values:
        """Return 1 where all classes are right, else 0."""
        return np.asarray((labels == outputs).all(-1), dtype=np.float64)


class Jaccard(MeanOverRows):
    """The mean over rows of |both| / |either| of true and predicted classes; 1 where a row has none of either."""

    name: ClassVar[str] = "jaccard"
    title: ClassVar[str] = "Jaccard index"
    axis: ClassVar[str] = "Jaccard index (0 to 1)"
    hub: ClassVar[str] = "jaccard"

    def of_each(self, labels: Values, outputs: Values) -> Values:
        """Return each row's index."""
        true, said = (values == 1 for values in np.broadcast_arrays(labels, outputs))
        either = (true | said).sum(-1)
        return np.where(either, (true & said).sum(-1) / np.maximum(either, 1), 1.0)
