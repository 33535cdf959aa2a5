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
    kinds: ClassVar[tuple[Kind, ...]] = ("regression",)

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over rows."""
        return F.mse_loss(output.logits.squeeze(-1), labels)
