"""The linear head: dropout, then one linear layer."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator
from torch import Tensor, nn

from minbert.tasks.heads.base import Head, HeadModule, Pair
from minbert.tasks.heads.features import Feature, features_width, pair_features
from minbert.tasks.kinds import LabelSettings


class Linear(Head):
    """``logits = W dropout(x) + b``; for a pair of two sequences ``x`` is the chosen features end to end."""

    name: ClassVar[str] = "linear"
    title: ClassVar[str] = "dropout and one linear layer, over chosen features of a pair"
    source: ClassVar[str] = "Devlin et al. 2019, section 4; pair features: Reimers & Gurevych 2019, section 3"

    features: list[Feature] = Field(
        ["u", "v", "|u-v|", "u*v"],
        min_length=1,
        description="pairs of two sequences only: what the layer sees of the two sentence vectors u and v",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="share of the features dropped in training")

    @field_validator("features")
    @classmethod
    def _distinct(cls, features: list[Feature]) -> list[Feature]:
        if len(set(features)) != len(features):
            raise ValueError("a feature is named twice")
        return features

    def build(self, width: int, labels: LabelSettings, pair: Pair | None) -> LinearHead:
        """Return the head for vectors of ``width`` numbers."""
        return LinearHead(self, width, labels.outputs, pair)


class LinearHead(HeadModule):
    """See ``Linear``."""

    def __init__(self, settings: Linear, width: int, outputs: int, pair: Pair | None) -> None:
        super().__init__(pair)
        self.features = settings.features
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(features_width(self.features, width) if pair == "bi" else width, outputs)

    def logits(self, first: Tensor, second: Tensor | None) -> Tensor:
        """Return logits (R, outputs)."""
        x = first if second is None else pair_features(self.features, first, second)
        logits: Tensor = self.linear(self.dropout(x))
        return logits
