"""Any number of named classes, none included."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from minbert.tasks.divergences import bernoulli_symmetric_kl
from minbert.tasks.kinds.base import Activation, Label, Typical
from minbert.tasks.kinds.named_classes import NamedClasses
from minbert.tasks.kinds.over_classes import by_class, class_number, numbers_of_classes
from minbert.tasks.metrics import Values
from minbert.tasks.predictions import Predictions
from minbert.tasks.thresholds import DEV, HALF, chosen_thresholds, one_threshold
from minbert.tasks.written_lists import read_list

if TYPE_CHECKING:
    from torch import Tensor


class Multilabel(NamedClasses):
    """A label is a set of classes, (classes,) of 0 and 1, and a head has a logit for each: the log-odds that it holds.

    A loss is the mean over rows and classes.
    """

    name: ClassVar[str] = "multilabel"
    title: ClassVar[str] = "any number of several classes, none included"
    source: ClassVar[str] = "binary relevance: Tsoumakas & Katakis 2007, 'Multi-Label Classification: An Overview'"

    default_loss: ClassVar[str] = "binary_cross_entropy"
    metrics: ClassVar[tuple[str, ...]] = ("micro_f1", "macro_f1", "average_precision", "jaccard", "exact_match")
    activation: ClassVar[Activation] = "sigmoid"

    several: ClassVar[bool] = True

    thresholds: float | str | dict[str, float] = Field(
        HALF,
        description="a class is answered from this probability on; {class: number}; dev: chosen for the metric on dev",
    )
    pos_weight: float | str | dict[str, float] | None = Field(
        None, description="what a class counts in the loss of rows that have it: a number, {class: number}, or balanced"
    )

    @field_validator("thresholds", mode="before")
    @classmethod
    def _probabilities(cls, value: Any) -> Any:
        if isinstance(value, dict):
            if DEV in value.values():
                raise ValueError(f"give each class a number between 0 and 1, or all of them '{DEV}': thresholds: {DEV}")
            numbers_of_classes(value)
            if odd := [f"class '{name}': {given!r}" for name, given in value.items() if not 0 < given < 1]:
                raise ValueError(f"give each class a number between 0 and 1; found {odd[0]}")
            return {str(name): float(given) for name, given in value.items()}
        return one_threshold(value)

    @field_validator("pos_weight", mode="before")
    @classmethod
    def _balanced_or_numbers(cls, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not 0 < value < math.inf:
                raise ValueError(f"give a finite number above 0; found {value!r}")
            return float(value)
        weights = numbers_of_classes(value)
        for name, given in weights.items() if isinstance(weights, dict) else ():
            if not given:
                raise ValueError(
                    f"class '{name}' has 0: then no row teaches the model to answer it. Give a number above 0, or "
                    "leave the class out of the task"
                )
        return weights

    @model_validator(mode="after")
    def _numbers_are_of_its_classes(self) -> Self:
        for key, given in (("thresholds", self.thresholds), ("pos_weight", self.pos_weight)):
            if isinstance(given, dict):
                by_class(key, given, self.class_names, 1.0)
        return self

    @property
    def decides_on_dev(self) -> bool:
        """Whether its thresholds are still to be chosen."""
        return self.thresholds == DEV

    def fitted(self, answers: Values, labels: Values, metric: str) -> Self:
        """Return the kind with a threshold for each class; see ``chosen_thresholds``."""
        found = chosen_thresholds(metric, labels, answers)
        return self.model_copy(update={"thresholds": dict(zip(self.class_names, found.tolist(), strict=True))})

    @property
    def described(self) -> str:
        """Kind and classes."""
        return f"{self.name}: {', '.join(self.class_names)}"

    @property
    def answer_described(self) -> str:
        """How many classes, which, and from which probability on they are answered."""
        told = f"any of {self.classes_told}, with probabilities"
        if isinstance(self.thresholds, dict):
            shown = ", ".join(f"{name} {value:.2f}" for name, value in self.thresholds.items())
            return f"{told}; a class is answered from its threshold on: {shown}"
        return told

    @property
    def problem_type(self) -> str:
        """Any number of classes."""
        return "multi_label_classification"

    @property
    def own_decision(self) -> str | None:
        """Its thresholds, where they are no half."""
        if self.thresholds in (HALF, DEV):
            return None
        if not isinstance(self.thresholds, dict):
            return f"a class is to be answered from a probability of {self.thresholds:.4g} on"
        shown = ", ".join(f"{name} {value:.4g}" for name, value in self.thresholds.items())
        return f"a class is to be answered from its threshold on: {shown}"

    def parse(self, text: str) -> Label:
        """Return the classes (classes,), 1 for those that ``text``, a list of their names (see ``read_list``), holds.

        Raises:
            ValueError: it is no such list, or names a class twice.
        """
        text = text.strip()
        given = read_list(text)
        if given is None or not all(isinstance(name, str | bool) for name in given):
            raise ValueError(f"label '{text}' is no list of classes, such as {self._example}")
        label = np.zeros(len(self.class_names))
        for name in given:
            place = class_number(str(name).lower() if isinstance(name, bool) else name, self.class_names)
            if label[place]:
                raise ValueError(f"label '{text}' is no set: it names '{name}' twice")
            label[place] = 1.0
        return label

    @property
    def _example(self) -> str:
        return json.dumps(self.class_names[:2], ensure_ascii=False)

    def written(self, label: Label) -> str:
        """Return the JSON list of the classes' names."""
        return json.dumps(self.named(np.asarray(label)), ensure_ascii=False)

    def named(self, label: Values) -> list[str]:
        """Return the names of the classes that a label (classes,) holds."""
        return [self.class_names[place] for place in np.flatnonzero(label)]

    def course_value(self, prediction: Label) -> str:
        """Return the classes' numbers with bars between, or ``none``."""
        return "|".join(map(str, np.flatnonzero(prediction))) or "none"

    def class_counts(self, labels: Values) -> dict[str, int]:
        """Return how many rows of labels (R, classes) have each class."""
        return dict(zip(self.class_names, labels.sum(0, dtype=np.int64).tolist(), strict=True))

    @property
    def weights_key(self) -> str | None:
        """The weight of classes that hold, where there is one."""
        return None if self.pos_weight is None else "pos_weight"

    def label_weights(self, labels: Values) -> Values | None:
        """Return ``pos_weight`` where a class holds, else 1, (R, classes).

        A balanced one is ``rows without / rows with`` the class. A class that no row has, or all have, counts 1.
        """
        if self.pos_weight is None:
            return None
        if isinstance(self.pos_weight, float):
            weights = np.full(labels.shape[1], self.pos_weight)
        elif isinstance(self.pos_weight, dict):
            weights = by_class("pos_weight", self.pos_weight, self.class_names, 1.0)
        else:
            having = labels.sum(0)
            some = (having > 0) & (having < len(labels))
            weights = np.where(some, (len(labels) - having) / np.maximum(having, 1), 1.0)
        return np.where(labels == 1, weights, 1.0)

    def typical(self, labels: Values) -> Typical:
        """Return the classes that half of the rows or more have, or the commonest where none has so many."""
        shares = labels.mean(0)
        commonest = shares >= min(0.5, shares.max())
        return Typical(f"commonest ({', '.join(self.named(commonest))})", commonest.astype(np.float64))

    def answers(self, logits: Tensor) -> Tensor:
        """Return the probability of each class (R, classes)."""
        return logits.sigmoid()

    @property
    def answered_from(self) -> dict[str, float]:
        """Every class's threshold; a half while they are still to be chosen."""
        return dict(zip(self.class_names, self._thresholds.tolist(), strict=True))

    @property
    def _thresholds(self) -> Values:
        if isinstance(self.thresholds, dict):
            return by_class("thresholds", self.thresholds, self.class_names, HALF)
        return np.full(len(self.class_names), self.thresholds if isinstance(self.thresholds, float) else HALF)

    @property
    def decision(self) -> dict[str, Any]:
        """Each class's threshold."""
        return {"rule": "thresholds", "thresholds": self._thresholds.tolist()}

    def decided(self, answers: Values) -> Predictions:
        """Return the classes whose probability is at least their threshold."""
        return Predictions((answers >= self._thresholds).astype(np.float64), answers, self.class_names)

    def divergences(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the mean over classes of the symmetric KL divergences of their Bernoulli distributions."""
        return bernoulli_symmetric_kl(one, other).mean(-1)

    def teacher_targets(self, logits: Tensor, temperature: float) -> Tensor:
        """Return the probability of each class (R, classes), ``sigmoid(logits / temperature)``."""
        return (logits / temperature).sigmoid()

    def distillation_loss(self, logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
        """Return the cross entropy with the teacher's probabilities, a mean over rows and classes."""
        import torch.nn.functional as F  # noqa: N812

        return F.binary_cross_entropy_with_logits(logits / temperature, targets) * temperature**2
