"""Squared error of the batch's cosine matrix."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.heads.features import cosine_matrix
from minbert.tasks.kinds import Kind
from minbert.tasks.losses.base import Loss


class ContrastiveMse(Loss):
    """``1/R^2 sum_ij (cos(u_i, v_j) - N_ij)^2``; N has the labels, scaled to 0..1, on its diagonal and 0 elsewhere.

    Every first text is taken to have nothing in common with every other row's second text. The loss trains the encoder
    alone: a head with weights of its own needs another loss beside it.
    """

    name: ClassVar[str] = "contrastive_mse"
    title: ClassVar[str] = "squared error of all cosines in a batch: the label within a row, 0 across rows"
    source: ClassVar[str] = "Gao, section 4.3, extension 3 (the 'multiple negative loss')"
    kinds: ClassVar[tuple[str, ...]] = ("binary", "regression")
    over_rows: ClassVar[bool] = False
    over_vectors: ClassVar[Literal["texts"]] = "texts"

    def targets(self, labels: Tensor, kind: Kind) -> Tensor:
        """Return labels (R,) scaled to 0..1."""
        low, high = kind.bounds or (0.0, 1.0)
        return (labels - low) / (high - low)

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over all pairs of rows; labels as ``targets`` gives them."""
        assert output.vectors is not None
        cosines = cosine_matrix(*output.vectors)
        return (cosines - torch.diag(labels.to(cosines.dtype))).square().mean()
