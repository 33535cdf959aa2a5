"""What a user reads of a model's answers: classes with probabilities, or scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Predictions:
    """The predictions for ``R`` rows of one task; its kind makes them (``Kind.predictions``)."""

    values: NDArray[np.float64]
    """(R,): the class's number, 0 or 1, or the score; (R, classes) of 0 and 1 where a row has several classes."""
    probabilities: NDArray[np.float64] | None
    """(R, classes): the probability of every class (two columns for yes/no); None for regression."""
    class_names: list[str]
    """The classes' names in the order of ``probabilities``' columns; empty for regression."""

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of each row's prediction (R,), where a row has one class."""
        assert self.probabilities is not None
        return np.take_along_axis(self.probabilities, self.values.astype(np.int64)[:, None], axis=1)[:, 0]

    @property
    def names(self) -> list[Any]:
        """The predicted classes by name, a list of them for each row that has several; empty for regression."""
        if self.values.ndim == 2:
            return [[self.class_names[place] for place in np.flatnonzero(row)] for row in self.values]
        return [self.class_names[int(value)] for value in self.values] if self.class_names else []
