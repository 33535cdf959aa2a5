"""What a task scores without reading a word: the bar that any model must clear."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minbert.tasks.metrics import ConstantPredictions, scores
from minbert.tasks.settings import TaskSettings


class Baseline(NamedTuple):
    """A constant answer and what it scores."""

    name: str
    score: float


def baseline(task: TaskSettings, train: NDArray[np.float64], dev: NDArray[np.float64]) -> Baseline:
    """Return the score on ``dev`` (by the task's metric) of always giving train's majority class, or its mean."""
    if task.kind == "regression":
        name, answer = "mean", float(train.mean())
    else:
        values, counts = np.unique(train, return_counts=True)
        answer = float(values[counts.argmax()])
        name = f"majority ({task.class_names[int(answer)]})"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantPredictions)  # being constant is the point here
        return Baseline(name, scores(task.kind, dev, np.full_like(dev, answer))[task.metric])
