"""Cross entropy over classes that have an order."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import Field
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.losses.base import Loss


class OrderedCrossEntropy(Loss):
    """``-sum_c t_c log softmax(logits)_c``, where ``t_c`` falls off with the distance of class c from the label.

    ``t = softmax(-sharpness |c - label|)``: a near miss costs less than a far one. With a growing sharpness it becomes
    plain cross entropy. Classes are in the order of the task's ``classes``.
    """

    name: ClassVar[str] = "ordered_cross_entropy"
    title: ClassVar[str] = "cross entropy over classes in order, the label's neighbours sharing the target"
    source: ClassVar[str] = "Diaz & Marathe 2019, 'Soft Labels for Ordinal Regression', equation 1"
    kinds: ClassVar[tuple[str, ...]] = ("classification", "ordinal")
    weighs_labels: ClassVar[bool] = True

    sharpness: float = Field(
        2.0, gt=0, allow_inf_nan=False, description="each class further away has exp(-sharpness) of the share"
    )

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over rows."""
        return F.cross_entropy(output.logits, self._targets(output.logits, labels))

    def of_labels(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the loss of each row (R,)."""
        return F.cross_entropy(output.logits, self._targets(output.logits, labels), reduction="none")

    def _targets(self, logits: Tensor, labels: Tensor) -> Tensor:
        classes = torch.arange(logits.shape[1], dtype=labels.dtype, device=labels.device)
        distances = (labels.unsqueeze(-1) - classes).abs()
        return (-self.sharpness * distances).softmax(-1)
