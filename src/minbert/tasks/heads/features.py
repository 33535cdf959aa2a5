"""The features of a pair, made from its two sentence vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

Feature = Literal["u", "v", "|u-v|", "u*v", "cosine"]

_EPSILON = 1e-8
"""The least length a vector counts for, so that the cosine of a zero vector is 0 with a finite gradient."""


def full_precision(values: Tensor) -> Tensor:
    """Return ``values`` in fp32 where they have fewer digits: bf16 has three, too few for a ranking."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def cosine(u: Tensor, v: Tensor) -> Tensor:
    """Return the cosine of each row's two vectors (R,), in fp32 at least."""
    return F.cosine_similarity(full_precision(u), full_precision(v), dim=-1, eps=_EPSILON)


def cosine_matrix(u: Tensor, v: Tensor) -> Tensor:
    """Return the cosine of every first with every second vector (R, R), in fp32 at least, whatever autocast is on."""
    with torch.autocast(u.device.type, enabled=False):
        u, v = (F.normalize(full_precision(side), dim=-1, eps=_EPSILON) for side in (u, v))
        return u @ v.T


def stretched(cosines: Tensor, low: float, high: float, lowest_cosine: int) -> Tensor:
    """Return the line through (``lowest_cosine``, ``low``) and (1, ``high``) at each cosine."""
    return low + (high - low) * (cosines - lowest_cosine) / (1 - lowest_cosine)


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
