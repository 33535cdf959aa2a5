"""The cosine head: the score of a pair is the cosine of its two sentence vectors, stretched to the labels' range."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from minbert.tasks.heads.base import Head, HeadModule, Pair
from minbert.tasks.heads.features import cosine
from minbert.tasks.kinds import LabelSettings


class Cosine(Head):
    """``score = low + (high - low) cos(u, v)``: 0 for orthogonal vectors, the highest label for equal ones.

    It has no parameters of its own: the encoder alone learns what similar means.
    """

    name: ClassVar[str] = "cosine"
    title: ClassVar[str] = "cosine of the two sentence vectors, stretched to the labels' range"
    source: ClassVar[str] = "Reimers & Gurevych 2019, section 3 (regression objective)"

    def refusal(self, labels: LabelSettings, pair: Pair | None) -> str | None:
        """Return why this head cannot serve such a task, or None where it can."""
        if labels.kind != "regression" or pair != "bi":
            return "it scores pairs of two sequences (pair: bi) on a range (kind: regression)"
        return None

    def build(self, width: int, labels: LabelSettings, pair: Pair | None) -> CosineHead:  # noqa: ARG002
        """Return the head; any width of vector will do."""
        assert labels.range is not None  # refusal() lets no other kind through
        return CosineHead(labels.range, pair)


class CosineHead(HeadModule):
    """See ``Cosine``."""

    def __init__(self, label_range: tuple[float, float], pair: Pair | None) -> None:
        super().__init__(pair)
        self.low, self.high = label_range

    def logits(self, first: Tensor, second: Tensor | None) -> Tensor:
        """Return scores (R, 1)."""
        assert second is not None
        return (self.low + (self.high - self.low) * cosine(first, second)).unsqueeze(-1)
