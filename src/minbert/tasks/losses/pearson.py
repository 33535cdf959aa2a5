"""One minus Pearson's correlation over the batch."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.heads.features import full_precision
from minbert.tasks.losses.base import Loss


class Pearson(Loss):
    """``1 - r``, with r the correlation of the batch's scores and labels.

    Where r is not defined (all scores alike, all labels alike, or a single row) the loss is 1 and its gradient 0.
    Scores or labels count as alike when they differ by no more than their own rounding.
    """

    name: ClassVar[str] = "pearson"
    title: ClassVar[str] = "one minus Pearson's correlation over the batch"
    source: ClassVar[str] = "Li & Ya, section 3.2 (loss function of each task)"
    kinds: ClassVar[tuple[str, ...]] = ("regression",)
    over_rows: ClassVar[bool] = False

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the loss of the batch."""
        scores = full_precision(output.logits).squeeze(-1)
        x, flat_x = _centred(scores)
        y, flat_y = _centred(labels.to(scores.dtype))
        flat = flat_x | flat_y
        # Both the root and the quotient must be harmless where r is not defined: 0 times infinity has no gradient.
        squares = torch.where(flat, 1.0, (x * x).sum() * (y * y).sum())
        return 1 - torch.where(flat, 0.0, (x * y).sum() / squares.sqrt())


def _centred(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``values`` with mean 0 and spread 1, which changes no correlation; and whether they are all alike."""
    fixed = values.detach()
    low = fixed.min()
    spread = fixed.max() - low
    flat = spread <= 8 * torch.finfo(values.dtype).eps * fixed.abs().max()
    scaled = (values - low) / torch.where(flat, 1.0, spread)  # less the lowest first: a far-off mean would cost digits
    return scaled - scaled.mean(), flat
