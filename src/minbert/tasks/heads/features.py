"""The features of a pair, made from its two sentence vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

Feature = Literal["u", "v", "|u-v|", "u*v", "cosine"]


def cosine(u: Tensor, v: Tensor) -> Tensor:
    """Return the cosine of each row's two vectors (R,), in fp32: bf16 has three digits, too few for a ranking."""
    return F.cosine_similarity(u.float(), v.float(), dim=-1)


_FEATURES: dict[Feature, Callable[[Tensor, Tensor], Tensor]] = {
    "u": lambda u, v: u,  # noqa: ARG005
    "v": lambda u, v: v,  # noqa: ARG005
    "|u-v|": lambda u, v: (u - v).abs(),
    "u*v": lambda u, v: u * v,
    "cosine": lambda u, v: cosine(u, v).unsqueeze(-1),
}


def pair_features(features: Sequence[Feature], u: Tensor, v: Tensor) -> Tensor:
    """Return the chosen features end to end, (R, ``features_width``)."""
    return torch.cat([_FEATURES[feature](u, v).to(u.dtype) for feature in features], dim=-1)


def features_width(features: Sequence[Feature], width: int) -> int:
    """Return how many numbers the features of two vectors of ``width`` numbers have."""
    return sum(1 if feature == "cosine" else width for feature in features)
