"""What heads with layers of their own share: the features of a pair they see, and their dropout."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor

from minbert.tasks.heads.base import Head, HeadModule, Pair, two_vectors
from minbert.tasks.heads.features import Feature, features_width, pair_features
from minbert.tasks.kinds import Kind


def features_field(default: list[Feature]) -> Any:
    """Return the field ``features`` with the given default."""
    return Field(
        default,
        min_length=1,
        description="pairs with two vectors only: what the head sees of these, u and v",
    )


class FeaturesHead(Head):
    """A head over the chosen features of a pair with two vectors, or over the one sentence vector of a row."""

    features: list[Feature] = features_field(["u", "v", "|u-v|", "u*v"])
    dropout: float = Field(0.1, ge=0, lt=1, description="share of each layer's input dropped in training")

    @field_validator("features")
    @classmethod
    def _distinct(cls, features: list[Feature]) -> list[Feature]:
        if len(set(features)) != len(features):
            raise ValueError("a feature is named twice")
        return features


class FeaturesModule(HeadModule):
    """See ``FeaturesHead``."""

    def __init__(self, settings: FeaturesHead, width: int, pair: Pair | None) -> None:
        super().__init__(pair)
        self.features = settings.features
        self.input_width = features_width(self.features, width) if two_vectors(pair) else width
        if pair == "both":
            self.input_width += width

    def inputs(self, *vectors: Tensor) -> Tensor:
        """Return what the head's layers see, (R, ``input_width``): of three vectors the features, and the third."""
        if len(vectors) == 1:
            return vectors[0]
        first, second, *joined = vectors
        return torch.cat([pair_features(self.features, first, second), *joined], dim=-1)


class OrderedHead(FeaturesHead):
    """A head for classes in order."""

    def refusal(self, kind: Kind, pair: Pair | None) -> str | None:  # noqa: ARG002
        """Return why this head cannot serve such a task, or None where it can."""
        return None if kind.ordered else "it is for classes in order (kind: ordinal)"
