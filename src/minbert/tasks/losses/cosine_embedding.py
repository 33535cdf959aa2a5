"""The cosine embedding loss."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.heads.features import cosine
from minbert.tasks.losses.base import Loss


class CosineEmbedding(Loss):
    """``1 - cos(u, v)`` where the label is 1, ``max(0, cos(u, v) - margin)`` where it is 0.

    The loss trains the encoder alone: a head with weights of its own needs another loss beside it.
    """

    name: ClassVar[str] = "cosine_embedding"
    title: ClassVar[str] = "cosine towards 1 for yes, below a margin for no"
    source: ClassVar[str] = "torch.nn.CosineEmbeddingLoss; Goel et al., section 3.2 (cosine-similarity fine-tuning)"
    kinds: ClassVar[tuple[str, ...]] = ("binary",)
    over_vectors: ClassVar[Literal["texts"]] = "texts"

    margin: float = Field(0.0, ge=-1, le=1, description="a no costs nothing where the cosine is at most this")

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over rows."""
        assert output.vectors is not None
        cosines = cosine(*output.vectors)
        return torch.where(labels == 1, 1 - cosines, (cosines - self.margin).relu()).mean()
