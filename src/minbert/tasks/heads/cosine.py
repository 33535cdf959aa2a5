"""The cosine head: the score of a pair is the cosine of its two sentence vectors, stretched to the labels' range."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from minbert.tasks.heads.base import Head, HeadModule, Pair
from minbert.tasks.heads.features import cosine, stretched
from minbert.tasks.kinds import Kind

LowestCosine = Literal[-1, 0]


def lowest_cosine_field() -> Any:
    """Return the field ``lowest_cosine``."""
    return Field(
        0,
        description="regression only: the cosine that stands for the lowest label, 0 or -1; the highest is always 1",
    )


class Cosine(Head):
    """``score = low + (high - low) cos(u, v)``: the lowest label for orthogonal vectors, the highest for equal ones.

    With ``lowest_cosine: -1`` it is ``low + (high - low) (cos(u, v) + 1) / 2``: the cosine's whole range on the
    labels'. Goel et al. scale the labels to the cosine's range instead, which is the same line; their squared error is
    then ours times ``4 / (high - low)^2``, which is 0.16 for labels from 0 to 5 (``loss: {name: mse, weight: 0.16}``).

    It has no parameters of its own: the encoder alone learns what similar means.
    """

    name: ClassVar[str] = "cosine"
    title: ClassVar[str] = "cosine of the two sentence vectors, stretched to the labels' range"
    source: ClassVar[str] = "Reimers & Gurevych 2019, section 3 (regression objective); -1: Goel et al., section 3.2"
    has_weights: ClassVar[bool] = False

    lowest_cosine: LowestCosine = lowest_cosine_field()

    def refusal(self, kind: Kind, pair: Pair | None) -> str | None:
        """Return why this head cannot serve such a task, or None where it can."""
        if kind.bounds is None or pair not in ("bi", "joint"):
            return "it scores pairs by two vectors alone (pair: bi or joint) on a range (kind: regression)"
        return None

    def build(self, width: int, kind: Kind, pair: Pair | None) -> CosineHead:  # noqa: ARG002
        """Return the head; any width of vector will do."""
        assert kind.bounds is not None  # refusal() lets no other kind through
        return CosineHead(kind.bounds, self.lowest_cosine, pair)


class CosineHead(HeadModule):
    """See ``Cosine``."""

    def __init__(self, label_range: tuple[float, float], lowest_cosine: int, pair: Pair | None) -> None:
        super().__init__(pair)
        self.low, self.high = label_range
        self.lowest_cosine = lowest_cosine

    def logits(self, *vectors: Tensor) -> Tensor:
        """Return scores (R, 1)."""
        first, second = vectors
        return stretched(cosine(first, second), self.low, self.high, self.lowest_cosine).unsqueeze(-1)
