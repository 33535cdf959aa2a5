"""A number in a range."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from minbert.tasks.kinds.base import Activation, Kind, Label, Typical
from minbert.tasks.metrics import Values
from minbert.tasks.numbers import number
from minbert.tasks.predictions import Predictions

if TYPE_CHECKING:
    from torch import Tensor


_LEAST, _MOST = 1e-15, 1e15
"""Between them a range's square, and what is divided by it, are numbers in fp32."""
_STEPS = 1000
"""So many different labels at least fp32 must have in a range."""


class Regression(Kind):
    """A label is a number from the lowest to the highest of a range, and a head's one output is the score."""

    name: ClassVar[str] = "regression"
    title: ClassVar[str] = "a number in a range"
    source: ClassVar[str] = "Cer et al. 2017, section 2 (STS); Bishop 2006, section 3.1.1"

    default_loss: ClassVar[str] = "mse"
    ranks: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("pearson", "spearman")
    further_metrics: ClassVar[tuple[str, ...]] = ("mae", "rmse")
    activation: ClassVar[Activation] = "identity"

    range: tuple[float, float] = Field(description="the lowest and the highest label, for example [0, 5]")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not (math.isfinite(self.range[0]) and self.range[0] < self.range[1] < math.inf):
            raise ValueError("'range' must be [lowest, highest], two finite numbers, the first one smaller")
        width, furthest = self.range[1] - self.range[0], max(map(abs, self.range))
        if not _LEAST <= width <= _MOST or furthest > _MOST:
            raise ValueError(
                f"'range' is beyond what fp32 can hold: widths from {_LEAST:g} to {_MOST:g}, and no label "
                "further from 0. Scale the labels, for example to 0 and 1"
            )
        if np.spacing(np.float32(furthest)) > width / _STEPS:
            raise ValueError(
                f"fp32 cannot tell labels from {self.range[0]:.12g} to {self.range[1]:.12g} apart: they are far from 0 "
                "for so narrow a range. Subtract the lowest from every label"
            )
        return self

    @classmethod
    def default_head(cls, two_vectors: bool) -> Any:
        """Return a linear layer or, for pairs with two vectors, one beside their cosine."""
        # A linear layer has to learn likeness from nothing; the cosine starts from what a sentence encoder knows.
        return {"name": "cosine_linear", "features": ["|u-v|", "u*v"]} if two_vectors else "linear"

    @property
    def bounds(self) -> tuple[float, float]:
        """The range."""
        return self.range

    @property
    def outputs(self) -> int:
        """The score."""
        return 1

    @property
    def described(self) -> str:
        """Kind and range."""
        return f"{self.name} from {self.range[0]:g} to {self.range[1]:g}"

    @property
    def answer_described(self) -> str:
        """The range."""
        return f"a number from {self.range[0]:g} to {self.range[1]:g}"

    def parse(self, text: str) -> float:
        """Return the number.

        Raises:
            ValueError: it is none, or not in the range.
        """
        text, (low, high) = text.strip(), self.range
        value = number(text)
        if value is None or not low <= float(value) <= high:
            raise ValueError(f"label '{text}' is not a number from {low:g} to {high:g}")
        return float(text)

    def written(self, label: Label) -> str:
        """Return the number with as many digits as it takes to give it back."""
        return repr(float(label))

    def typical(self, labels: Values) -> Typical:
        """Return the mean."""
        return Typical("mean", np.array(labels.mean()))

    def answers(self, logits: Tensor) -> Tensor:
        """Return the scores (R,), some of which may lie outside the range."""
        return logits.squeeze(-1)

    @property
    def decision(self) -> dict[str, Any]:
        """The ends of the range."""
        return {"rule": "clip", "range": list(self.range)}

    def rank_scores(self, answers: Values) -> Values:
        """Return the scores within the range."""
        return answers.clip(*self.range)

    def decided(self, answers: Values) -> Predictions:
        """Return scores cut off at the ends of the range: a similarity of 5.2 out of 5 means nothing."""
        return Predictions(self.rank_scores(answers), None, [])

    def hub_task(self, pairs: bool) -> str:
        """Return what the hub calls such a task: a number for two texts tells how alike they are."""
        return "sentence-similarity" if pairs else super().hub_task(pairs)

    @property
    def problem_type(self) -> str:
        """A number."""
        return "regression"

    @property
    def own_decision(self) -> str:
        """The ends of the range."""
        return f"scores are to be cut off at the ends of the range, {self.range[0]:g} and {self.range[1]:g}"

    def divergences(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the squared differences, in the labels' own units."""
        return (one - other).square().squeeze(-1)

    def teacher_targets(self, logits: Tensor, temperature: float) -> Tensor:  # noqa: ARG002
        """Return the scores (R,) within the range; a temperature means nothing here."""
        return logits.squeeze(-1).clamp(*self.range)

    def distillation_loss(self, logits: Tensor, targets: Tensor, temperature: float) -> Tensor:  # noqa: ARG002
        """Return the mean squared difference in the labels' units."""
        import torch.nn.functional as F  # noqa: N812

        return F.mse_loss(logits.squeeze(-1), targets)
