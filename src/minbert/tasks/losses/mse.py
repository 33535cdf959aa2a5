"""Mean squared error."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.kinds import Kind
from minbert.tasks.losses.base import Loss


class MeanSquaredError(Loss):
    """``(score - label)^2``, in the labels' own units."""

    name: ClassVar[str] = "mse"
    title: ClassVar[str] = "mean squared error in the labels' units"
    source: ClassVar[str] = "least squares; used for similarity by Phan and by Goel et al."
    kinds: ClassVar[tuple[str, ...]] = ("regression",)
    least_squares: ClassVar[bool] = True

    def task_weight(self, kind: Kind) -> float:
        """Return 1 / (highest - lowest)^2: the errors count in widths of the range. 1 where there is none."""
        low, high = kind.bounds or (0.0, 1.0)
        return 1 / (high - low) ** 2 if high > low else 1.0

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over rows."""
        scores = output.logits.squeeze(-1)
        return F.mse_loss(scores, labels.to(scores.dtype))  # torch before 2.13 has no gradient of two formats
