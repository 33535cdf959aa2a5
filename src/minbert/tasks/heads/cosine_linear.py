"""The cosine-linear head: a cosine and a linear layer on the concatenation, added."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from minbert.tasks.heads.base import Pair, two_vectors
from minbert.tasks.heads.cosine import LowestCosine, lowest_cosine_field
from minbert.tasks.heads.features import Feature, cosine, stretched
from minbert.tasks.heads.linear import LinearHead
from minbert.tasks.heads.over_features import FeaturesHead, features_field
from minbert.tasks.kinds import Kind


class CosineLinear(FeaturesHead):
    """``logit = s(cos(u, v)) + W dropout([u, v]) + b``; s stretches a cosine to the labels' range.

    For yes/no the cosine stays as it is. The paper names the two parts and the two scales, not how the parts meet: they
    are added here.
    """

    name: ClassVar[str] = "cosine_linear"
    title: ClassVar[str] = "the cosine head and a linear layer on the concatenation, added"
    source: ClassVar[str] = "Li & Ya, section 3.2 (prediction head of each task)"

    features: list[Feature] = features_field(["u", "v"])
    lowest_cosine: LowestCosine = lowest_cosine_field()

    def refusal(self, kind: Kind, pair: Pair | None) -> str | None:
        """Return why this head cannot serve such a task, or None where it can."""
        if kind.outputs != 1 or not two_vectors(pair):
            return "it scores pairs with two vectors (pair: bi, joint or both), of kind binary or regression"
        return None

    def build(self, width: int, kind: Kind, pair: Pair | None) -> CosineLinearHead:
        """Return the head for vectors of ``width`` numbers."""
        return CosineLinearHead(self, width, kind.bounds, pair)


class CosineLinearHead(LinearHead):
    """See ``CosineLinear``."""

    def __init__(
        self, settings: CosineLinear, width: int, label_range: tuple[float, float] | None, pair: Pair | None
    ) -> None:
        super().__init__(settings, width, 1, pair)
        self.label_range = label_range
        self.lowest_cosine = settings.lowest_cosine

    def offset(self, *vectors: Tensor) -> Tensor:
        """Return the stretched cosine (R, 1)."""
        similar = cosine(vectors[0], vectors[1])
        if self.label_range is not None:
            similar = stretched(similar, *self.label_range, self.lowest_cosine)
        return similar.unsqueeze(-1)
