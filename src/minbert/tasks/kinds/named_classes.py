"""What kinds share whose recipe names classes, and what those share that choose one of them by a softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from minbert.tasks.divergences import symmetric_kl
from minbert.tasks.kinds.base import Activation, Kind, Label
from minbert.tasks.kinds.over_classes import ClassesKind, checked_names
from minbert.tasks.soft_targets import class_shares, soft_target_loss

if TYPE_CHECKING:
    from torch import Tensor

_CLASSES_TOLD = 20
_MOST_CLASSES = 100_000


class NamedClasses(Kind):
    """A kind with as many classes as its recipe says."""

    classes: int | list[str] = Field(description="the number of classes (labels 0, 1, ...) or their names")

    @field_validator("classes", mode="before")
    @classmethod
    def _number_or_names(cls, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | list):
            raise ValueError("give the number of classes, or a list of their names")
        if isinstance(value, int) and value > _MOST_CLASSES:
            raise ValueError(f"at most {_MOST_CLASSES:,} classes; found {value:,}")
        return checked_names(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.class_names) < 2:
            raise ValueError("'classes' must be at least 2")
        return self

    @property
    def class_names(self) -> list[str]:
        """The names, or the numbers where there are no names."""
        return [str(label) for label in range(self.classes)] if isinstance(self.classes, int) else self.classes

    @property
    def outputs(self) -> int:
        """A logit for each class."""
        return len(self.class_names)

    @property
    def classes_told(self) -> str:
        """How many classes, and which; of many, the first."""
        names = self.class_names
        shown = ", ".join(names[:_CLASSES_TOLD]) + (", ..." if len(names) > _CLASSES_TOLD else "")
        return f"{len(names)} classes ({shown})"


class SoftmaxKind(NamedClasses, ClassesKind):
    """A label is one of ``n`` classes, and a head has a logit for each: ``p = softmax(logits)``."""

    activation: ClassVar[Activation] = "softmax"

    @property
    def answer_described(self) -> str:
        """How many classes, and which."""
        return f"one of {self.classes_told}, with probabilities"

    def answers(self, logits: Tensor) -> Tensor:
        """Return the probabilities (R, classes)."""
        return logits.softmax(-1)

    def course_value(self, prediction: Label) -> str:
        """Return the class's number."""
        return str(int(prediction))

    def divergences(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the symmetric KL divergence of the two softmaxes."""
        return symmetric_kl(one, other)

    def teacher_targets(self, logits: Tensor, temperature: float) -> Tensor:
        """Return the probabilities (R, classes) ``softmax(logits / temperature)``."""
        return class_shares(logits, temperature)

    def distillation_loss(self, logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
        """Return the cross entropy with the teacher's probabilities."""
        return soft_target_loss(logits, targets, temperature)
