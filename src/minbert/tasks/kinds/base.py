"""What a kind of task is: which labels there are, and what it means to answer, to be near and to be right.

Whatever depends on what a label *is* stands in the kind's file, and nowhere else. A kind knows labels and logits; it
knows no file of rows, no encoder, no head and no training. Reading labels does not import torch: what needs tensors is
given them, and imports it then.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from minbert.methods import Method
from minbert.tasks.metrics import METRICS, Values
from minbert.tasks.predictions import Predictions

if TYPE_CHECKING:
    from torch import Tensor

Label = float | NDArray[np.float64]
"""A number or, where a label is more than one, an array: those of ``R`` rows are an array (R,), or (R, ...)."""


Activation = Literal["softmax", "sigmoid", "identity"]
"""What turns a row's logits into what ``Kind.answers`` returns, for programs in other languages; a sigmoid of one logit
is the probability of the second of two classes."""


class Typical(NamedTuple):
    """The one answer to give to every row by somebody who cannot read."""

    name: str
    answer: Values
    """One row of what ``Kind.answers`` returns: probabilities (classes,), or a score ()."""


class Kind(Method):
    """A recipe's choice of kind. Its settings stand beside ``kind``, as keys of the task."""

    family: ClassVar[str] = "kind"
    beside: ClassVar[bool] = True

    default_loss: ClassVar[str]
    """The loss of tasks that name none."""
    metrics: ClassVar[tuple[str, ...]]
    """What is always scored: names from ``tasks.metrics.METRICS``. The first counts where a task names none."""
    activation: ClassVar[Activation]
    several: ClassVar[bool] = False
    """Whether a label is a set of classes, written as a JSON list of their names."""
    ordered: ClassVar[bool] = False
    """Whether its classes have an order."""
    further_metrics: ClassVar[tuple[str, ...]] = ()
    """What is scored where a task names it as its own."""
    ranks: ClassVar[bool] = False
    """Whether rows can be put in order by their answers: see ``rank_scores``."""

    @classmethod
    def default_head(cls, two_vectors: bool) -> Any:  # noqa: ARG003
        """Return the head, as a recipe would write it, of tasks that name none.

        ``two_vectors``: whether a row has a vector for each of its two texts.
        """
        return "linear"

    @property
    def class_names(self) -> list[str]:
        """The classes' names in the order of their numbers; empty where a label is a score."""
        return []

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The lowest and the highest label where a label is a score, else None."""
        return None

    @property
    def span(self) -> float:
        """How far the highest label is from the lowest: what an error in the labels' units is measured by."""
        low, high = self.bounds or (0.0, 1.0)
        return high - low

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many logits a head gives a row."""

    @property
    def described(self) -> str:
        """The labels in a few words, the same for two kinds whose labels mean the same."""
        return f"{self.name}: {', '.join(self.class_names)}"

    @property
    @abstractmethod
    def answer_described(self) -> str:
        """What an answer is, in a few words, for a model's card."""

    @abstractmethod
    def parse(self, text: str) -> Label:
        """Return the label that a file writes as ``text``.

        Raises:
            ValueError: the text is no label of this task; the message says what a label would be.
        """

    @abstractmethod
    def written(self, label: Label) -> str:
        """Return how a file writes a label: ``parse`` gives it back."""

    def class_counts(self, labels: Values) -> dict[str, int]:  # noqa: ARG002
        """Return how many rows each class has among labels (R, ...), all classes in order; none of scores."""
        return {}

    @property
    def weights_key(self) -> str | None:
        """The setting, if any, by which labels count more or less in the loss."""
        return None

    def label_weights(self, labels: Values) -> Values | None:  # noqa: ARG002
        """Return what the loss of each label is multiplied by, of the shape of labels (R, ...) of all training rows.

        None where every label counts alike.
        """
        return None

    @abstractmethod
    def typical(self, labels: Values) -> Typical:
        """Return the constant answer that fits labels (R, ...) best."""

    @abstractmethod
    def answers(self, logits: Tensor) -> Tensor:
        """Return what logits (R, outputs) say: probabilities (R, classes), or scores (R,)."""

    @property
    def decides_on_dev(self) -> bool:
        """Whether something of its decision is still to be chosen on dev; until then it decides by its default."""
        return False

    def fitted(self, answers: Values, labels: Values, metric: str) -> Self:  # noqa: ARG002
        """Return the kind with its decision chosen so that a metric of these answers to labels (R, ...) is best."""
        return self

    @property
    def answered_from(self) -> dict[str, float]:
        """From which probability on a class is answered, for those classes that have such a threshold."""
        return {}

    def rank_scores(self, answers: Values) -> Values:  # noqa: ARG002
        """Return a number (R,) for each row of answers: the higher, the more of what the labels measure.

        Raises:
            ValueError: the labels measure nothing; then ``ranks`` is False.
        """
        raise ValueError(f"labels of kind {self.name} have no order")

    @abstractmethod
    def decided(self, answers: Values) -> Predictions:
        """Return the predictions that follow from ``answers``, or from a mean of several models' answers."""

    @property
    @abstractmethod
    def decision(self) -> dict[str, Any]:
        """How ``decided`` decides, for programs in other languages: a ``rule`` and its numbers."""

    def predictions(self, logits: Tensor) -> Predictions:
        """Return the predictions that follow from logits (R, outputs)."""
        return self.decided(self.answers(logits.double().cpu()).numpy())

    @classmethod
    def known_metrics(cls) -> tuple[str, ...]:
        """Return all that a task may be scored by."""
        return (*cls.metrics, *cls.further_metrics)

    @classmethod
    def scores(cls, labels: Values, predicted: Predictions, *also: str) -> dict[str, float]:
        """Return every score of the kind for labels (R, ...), and those named ``also``.

        Raises:
            ValueError: there are no rows, or a prediction is not a finite number.
        """
        if not len(labels) or labels.shape != predicted.values.shape:
            shapes = f"{labels.shape}, {predicted.values.shape}"
            raise ValueError(f"labels and predictions must be as many, at least one: {shapes}")
        if not np.isfinite(predicted.values).all():
            raise ValueError("a prediction is not a finite number")
        return {name: METRICS[name].score(labels, predicted) for name in dict.fromkeys((*cls.metrics, *also))}

    def course_value(self, prediction: Label) -> str:
        """Return a prediction as the course's files have it; in most of them it is a decimal number."""
        return repr(float(prediction))

    def hub_task(self, pairs: bool) -> str:  # noqa: ARG002
        """Return what the hub calls such a task, on single texts or on pairs."""
        return "text-classification"

    @property
    def problem_type(self) -> str:
        """What transformers calls such a problem."""
        return "single_label_classification"

    @property
    def own_decision(self) -> str | None:
        """What is decided otherwise than by the likeliest class, a probability of one half, or the score as it is."""
        return None

    @abstractmethod
    def divergences(self, one: Tensor, other: Tensor) -> Tensor:
        """Return how far two logits (R, outputs) are apart, row by row: (R,), at least 0, and 0 where they are equal.

        Both sides carry their gradient (Jiang et al. 2020, section 3.1).
        """

    @abstractmethod
    def teacher_targets(self, logits: Tensor, temperature: float) -> Tensor:
        """Return what a student aims at, (R, ...), from a teacher's logits (R, outputs).

        Several teachers' targets may be averaged. A temperature above 1 makes probabilities more alike (Hinton et al.
        2015, section 2).
        """

    @abstractmethod
    def distillation_loss(self, logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
        """Return the mean over rows (a scalar) of how far a student's logits (R, outputs) are from teachers' targets.

        Probabilities are compared at the temperature, and the loss is multiplied by its square, so that its gradient
        keeps its size beside the gold loss whatever the temperature (Hinton et al. 2015, section 2).
        """
