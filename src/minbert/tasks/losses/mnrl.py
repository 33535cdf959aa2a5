"""The multiple negatives ranking loss."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from minbert.tasks.heads.base import Head, HeadOutput, Pair
from minbert.tasks.heads.features import cosine_matrix
from minbert.tasks.kinds import Kind
from minbert.tasks.losses.base import Loss


class Mnrl(Loss):
    """``-1/P sum_i [S_ii - log sum_j exp(S_ij)]`` over the batch's P positive rows, ``S_ij = scale cos(u_i, v_j)``.

    Positive are rows with a label of 1, or of at least ``threshold`` on a range. Other rows take no part: neither as i
    nor as j. With ``hard_negatives`` they do as j: two texts that somebody found alike enough to say no to are harder
    to tell apart than two texts of different rows. A text known to mean the same as u_i (of the same duplicate
    cluster) is no negative for it: ``S_ij`` is then minus infinity, unless i = j. A batch without a positive row, or
    with a single one and no hard negatives, has a loss of 0.

    Henderson et al. use a dot product for S; the scaled cosine, and negatives of one's own beside those of the batch,
    are sentence-transformers'. The loss trains the encoder alone: a head with weights of its own needs another loss
    beside it.
    """

    name: ClassVar[str] = "mnrl"
    title: ClassVar[str] = "multiple negatives ranking: each positive pair against the batch's other second texts"
    source: ClassVar[str] = "Henderson et al. 2017 (multiple negatives); scaled cosine: sentence-transformers"
    kinds: ClassVar[tuple[str, ...]] = ("binary", "regression")
    over_rows: ClassVar[bool] = False
    over_vectors: ClassVar[Literal["texts"]] = "texts"

    scale: float = Field(20.0, gt=0, allow_inf_nan=False, description="the cosines are multiplied by it")
    symmetric: bool = Field(False, description="the mean of both directions: second texts against first ones, too")
    hard_negatives: bool = Field(
        False, description="texts of the batch's rows that are not positive count as negatives of every positive row"
    )
    threshold: float | None = Field(
        None, allow_inf_nan=False, description="regression only, and needed there: the lowest label of a positive pair"
    )

    def refusal(self, kind: Kind, head: Head, pair: Pair | None) -> str | None:
        """Return why this loss cannot train such a task, or None where it can."""
        if why := super().refusal(kind, head, pair):
            return why
        if kind.bounds is None:
            return "'threshold' goes with kind: regression" if self.threshold is not None else None
        low, high = kind.bounds
        if self.threshold is None:
            return "it trains on positive pairs only; on a range, 'threshold' must say from which label on they are"
        if not low < self.threshold <= high:
            return f"its 'threshold' must be above {low:g} and at most {high:g}"
        return None

    def duplicates(self, labels: Tensor) -> Tensor:
        """Return which rows (R,) are positive."""
        return labels >= (1 if self.threshold is None else self.threshold)

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:
        """Return the mean over positive rows."""
        assert output.vectors is not None
        scores = self.scale * cosine_matrix(*output.vectors)
        positive = self.duplicates(labels)
        strangers = torch.ones_like(scores, dtype=torch.bool)
        if clusters is not None:
            strangers = clusters[:, :1] != clusters[:, 1]
        candidates = torch.ones_like(positive) if self.hard_negatives else positive
        loss = _one_way(scores, strangers & candidates, positive)
        if self.symmetric:
            loss = (loss + _one_way(scores.T, strangers.T & candidates, positive)) / 2
        return loss


def _one_way(scores: Tensor, negatives: Tensor, positive: Tensor) -> Tensor:
    """Return the mean over positive rows of ``log sum_j exp(S_ij) - S_ii``.

    Rows that are not positive count 0. Every row has its own score among its candidates, so all numbers are finite.

    Args:
        scores: (R, R) of every text (rows) with every text of the other side (columns).
        negatives: (R, R) whether the text of the column is a negative for that of the row.
        positive: (R,) whether a row is positive.
    """
    own = torch.eye(len(positive), dtype=torch.bool, device=positive.device)
    masked = scores.masked_fill(~(negatives | own), float("-inf"))
    rows = masked.logsumexp(-1) - scores.diagonal()
    return (rows * positive).sum() / positive.sum().clamp(min=1)
