"""The cumulative cross entropies of classes in order."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.losses.base import Loss


class Coral(Loss):
    """``-sum_k [y > k] log P(y > k) + [y <= k] log P(y <= k)``: whether the label exceeds each class but the highest.

    The probabilities are sums of the classes' own, so the loss serves every head. With head ``coral`` it is CORAL.
    """

    name: ClassVar[str] = "coral"
    title: ClassVar[str] = "cross entropies of whether the label exceeds each class, summed"
    source: ClassVar[str] = "Cao, Mirjalili & Raschka 2020, 'Rank Consistent Ordinal Regression', equation 4"
    kinds: ClassVar[tuple[str, ...]] = ("ordinal",)
    weighs_labels: ClassVar[bool] = True

    def of_labels(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the loss of each row (R,)."""
        shares = output.logits.log_softmax(-1)
        not_above = shares.logcumsumexp(-1)[:, :-1]
        above = shares.flip(-1).logcumsumexp(-1).flip(-1)[:, 1:]
        classes = torch.arange(shares.shape[1] - 1, dtype=labels.dtype, device=labels.device)
        return -torch.where(labels.unsqueeze(-1) > classes, above, not_above).sum(-1)

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over rows."""
        return self.of_labels(output, labels).mean()
