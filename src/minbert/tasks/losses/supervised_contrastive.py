"""The supervised contrastive loss."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.heads.features import cosine_matrix
from minbert.tasks.losses.base import Loss


class SupervisedContrastive(Loss):
    """``1/A sum_i -1/|P(i)| sum_{p in P(i)} [S_ip - log sum_{a != i} exp(S_ia)]``, ``S = cos(z_i, z_j) / temperature``.

    ``z_i`` is the sentence vector of row i, and ``P(i)`` are the batch's other rows with its label. The mean is over
    the A rows that have any. A row without one is no anchor, but the others are told from it. A batch in which no two
    rows share a label has a loss of 0.

    This is L_out of the paper's equation 2. There a batch holds each image twice, so every anchor has a positive. Here
    each text is read once, as Gunel et al. 2021 do beside cross entropy. The loss trains the encoder alone: the head
    needs another loss beside it.
    """

    name: ClassVar[str] = "supervised_contrastive"
    title: ClassVar[str] = "supervised contrastive: rows of a label near each other, and away from the batch's others"
    source: ClassVar[str] = "Khosla et al. 2020, 'Supervised Contrastive Learning', equation 2"
    kinds: ClassVar[tuple[str, ...]] = ("classification", "binary", "ordinal")
    over_rows: ClassVar[bool] = False
    over_vectors: ClassVar[Literal["rows"]] = "rows"

    temperature: float = Field(0.1, gt=0, allow_inf_nan=False, description="the cosines are divided by it")

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over the rows that have another one of their label."""
        assert output.vectors is not None
        vectors = output.vectors[0]
        scores = cosine_matrix(vectors, vectors) / self.temperature
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        positive = (labels[:, None] == labels) & ~itself
        positives = positive.sum(1)
        # A row alone in its batch has nothing to be told from: its own score stays, so that no sum is empty.
        others = scores.masked_fill(itself & (len(labels) > 1), float("-inf"))
        mean_score = scores.masked_fill(~positive, 0).sum(1) / positives.clamp(min=1)
        rows = (others.logsumexp(1) - mean_score) * (positives > 0)
        return rows.sum() / (positives > 0).sum().clamp(min=1)
