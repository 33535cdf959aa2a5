"""Yes or no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator

from minbert.tasks.divergences import bernoulli_symmetric_kl
from minbert.tasks.kinds.base import Activation
from minbert.tasks.kinds.over_classes import ClassesKind, checked_names
from minbert.tasks.metrics import Values
from minbert.tasks.predictions import Predictions
from minbert.tasks.thresholds import DEV, HALF, chosen_threshold, one_threshold

if TYPE_CHECKING:
    from torch import Tensor

_TRUTH_VALUES = {"false": "0", "true": "1"}


class Binary(ClassesKind):
    """A label is 0 (no) or 1 (yes), and a head has one logit: the log-odds of yes."""

    name: ClassVar[str] = "binary"
    title: ClassVar[str] = "yes or no: 1 or 0"
    source: ClassVar[str] = "Bishop 2006, section 4.3.2; used by all five papers for paraphrase"

    default_loss: ClassVar[str] = "binary_cross_entropy"
    ranks: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "f1")
    further_metrics: ClassVar[tuple[str, ...]] = ("mcc", "macro_f1", "weighted_f1", "average_precision", "roc_auc")
    activation: ClassVar[Activation] = "sigmoid"

    classes: list[str] | None = Field(
        None, description="the names of no and of yes, in this order, as the files write them; null: 0 and 1"
    )
    threshold: float | str = Field(
        HALF, description="yes is answered from this probability on; dev: chosen for the metric on dev"
    )

    @field_validator("classes", mode="before")
    @classmethod
    def _two_names(cls, value: Any) -> Any:
        if value is not None and (not isinstance(value, list) or len(value) != 2):
            raise ValueError("give the two names, that of no first: [no, yes]")
        return value if value is None else checked_names(value)

    @field_validator("threshold", mode="before")
    @classmethod
    def _a_probability(cls, value: Any) -> Any:
        return one_threshold(value)

    @property
    def decides_on_dev(self) -> bool:
        """Whether its threshold is still to be chosen."""
        return self.threshold == DEV

    def fitted(self, answers: Values, labels: Values, metric: str) -> Self:
        """Return the kind with its threshold; see ``chosen_threshold``."""
        return self.model_copy(update={"threshold": chosen_threshold(metric, labels, answers[:, 1])})

    @property
    def class_names(self) -> list[str]:
        """No and yes, as files write them."""
        return self.classes or ["0", "1"]

    def parse(self, text: str) -> float:
        """Return 0 or 1; ``false`` and ``true``, as programs write truth values, are these, too.

        Raises:
            ValueError: the text is none of them.
        """
        named = text.strip() in self.class_names
        return super().parse(text if named else _TRUTH_VALUES.get(text.strip().lower(), text))

    @property
    def outputs(self) -> int:
        """One logit."""
        return 1

    @property
    def answer_described(self) -> str:
        """Both names, and the threshold where it is no half."""
        no, yes = self.class_names
        told = f"{no} or {yes}, with probabilities" if self.classes else "0 (no) or 1 (yes), with probabilities"
        plain = self.threshold in (HALF, DEV)
        return (
            told if plain else f"{told}; {yes if self.classes else 'yes'} from a probability of {self.threshold:.2f} on"
        )

    @property
    def own_decision(self) -> str | None:
        """Its threshold, where it is no half."""
        if self.threshold in (HALF, DEV):
            return None
        return f"yes is to be answered from a probability of {self.threshold:.4g} on"

    def answers(self, logits: Tensor) -> Tensor:
        """Return the probabilities (R, 2) of no and yes."""
        import torch

        yes = torch.sigmoid(logits.squeeze(-1))
        return torch.stack([1 - yes, yes], dim=-1)

    @property
    def answered_from(self) -> dict[str, float]:
        """The threshold of yes; a half while it is still to be chosen."""
        return {self.class_names[1]: self._threshold}

    @property
    def _threshold(self) -> float:
        return HALF if isinstance(self.threshold, str) else self.threshold

    @property
    def decision(self) -> dict[str, Any]:
        """The threshold of yes."""
        return {"rule": "threshold", "threshold": self._threshold}

    def rank_scores(self, answers: Values) -> Values:
        """Return the probability of yes."""
        return answers[:, 1]

    def decided(self, answers: Values) -> Predictions:
        """Return yes where its probability is at least the threshold."""
        return Predictions((answers[:, 1] >= self._threshold).astype(np.float64), answers, self.class_names)

    def divergences(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the symmetric KL divergence of the two Bernoulli distributions."""
        return bernoulli_symmetric_kl(one, other).squeeze(-1)

    def teacher_targets(self, logits: Tensor, temperature: float) -> Tensor:
        """Return the probability of yes (R,), ``sigmoid(logits / temperature)``."""
        return (logits.squeeze(-1) / temperature).sigmoid()

    def distillation_loss(self, logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
        """Return the cross entropy with the teacher's probabilities of yes and no."""
        import torch.nn.functional as F  # noqa: N812

        return F.binary_cross_entropy_with_logits(logits.squeeze(-1) / temperature, targets) * temperature**2
