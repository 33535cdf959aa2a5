"""What a task scores without reading a word: the bar that any model must clear."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minbert.tasks.metrics import METRICS, ConstantPredictions
from minbert.tasks.settings import TaskSettings


class Baseline(NamedTuple):
    """A constant answer and what it scores."""

    name: str
    score: float


def baseline(task: TaskSettings, train: NDArray[np.float64], dev: NDArray[np.float64]) -> Baseline:
    """Return the score on ``dev`` (by the task's metric) of always giving train's majority class, or its mean."""
    name, answer = task.kind.typical(train)
    predicted = task.kind.decided(np.broadcast_to(answer, (len(dev), *answer.shape)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantPredictions)  # being constant is the point here
        return Baseline(name, METRICS[task.metric].score(dev, predicted))
