"""One of several classes that have an order: stars, grades."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from pydantic import model_validator

from minbert.tasks.kinds.base import Typical
from minbert.tasks.kinds.named_classes import SoftmaxKind
from minbert.tasks.metrics import Values
from minbert.tasks.numbers import number
from minbert.tasks.predictions import Predictions


class Ordinal(SoftmaxKind):
    """A label is one of several classes, given from the lowest to the highest.

    The answer is the median of the classes' probabilities, whose absolute error is the least to be expected. It is the
    highest class that the label reaches or exceeds with more than a chance of one half: the rule of CORAL and CORN.
    """

    name: ClassVar[str] = "ordinal"
    title: ClassVar[str] = "one of several classes in order, the lowest first"
    source: ClassVar[str] = "McCullagh 1980, 'Regression Models for Ordinal Data'; Cao et al. 2020, section 3.3"

    default_loss: ClassVar[str] = "cross_entropy"
    ranks: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("qwk", "mae", "spearman", "accuracy")
    further_metrics: ClassVar[tuple[str, ...]] = ("macro_f1",)
    ordered: ClassVar[bool] = True

    @model_validator(mode="after")
    def _numbers_differ(self) -> Self:
        values = [value for name in self.class_names if (value := number(name)) is not None]
        if len(set(values)) < len(values):
            raise ValueError("'classes' has one number under two names, such as 1 and 1.0")
        return self

    @property
    def span(self) -> float:
        """Steps from the lowest class to the highest."""
        return float(len(self.class_names) - 1)

    @property
    def answer_described(self) -> str:
        """How many classes, and which."""
        return f"one of {self.classes_told} in order, with probabilities"

    @property
    def own_decision(self) -> str:
        """The median."""
        return "the answer is the median of the probabilities, not the likeliest class"

    def typical(self, labels: Values) -> Typical:
        """Return the median class."""
        counts = np.array(list(self.class_counts(labels).values()))
        median = int(self.decided(counts[None] / counts.sum()).values[0])
        return Typical(f"median ({self.written(median)})", np.eye(len(counts))[median])

    @property
    def decision(self) -> dict[str, Any]:
        """The median."""
        return {"rule": "median"}

    def rank_scores(self, answers: Values) -> Values:
        """Return the mean class number to be expected of probabilities (R, classes)."""
        return np.asarray(answers @ np.arange(answers.shape[-1]))

    def decided(self, answers: Values) -> Predictions:
        """Return the median of probabilities (R, classes)."""
        reached = answers[:, ::-1].cumsum(-1)[:, ::-1][:, 1:]  # of each class but the lowest, or a higher one
        return Predictions((reached > 0.5).sum(-1).astype(np.float64), answers, self.class_names)
