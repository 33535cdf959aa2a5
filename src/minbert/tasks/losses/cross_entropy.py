"""Cross entropy over classes."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F  # noqa: N812
from pydantic import Field
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.losses.base import Loss


class CrossEntropy(Loss):
    """``-log softmax(logits)[label]``, with the label's share spread evenly where smoothing is asked for."""

    name: ClassVar[str] = "cross_entropy"
    title: ClassVar[str] = "cross entropy over classes"
    source: ClassVar[str] = "Devlin et al. 2019, section 4.1; smoothing: Szegedy et al. 2016, section 7"
    kinds: ClassVar[tuple[str, ...]] = ("classification", "ordinal")
    weighs_labels: ClassVar[bool] = True

    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread evenly over all classes")

    def of_labels(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the loss of each row (R,)."""
        return F.cross_entropy(output.logits, labels.long(), label_smoothing=self.label_smoothing, reduction="none")

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over rows."""
        return F.cross_entropy(output.logits, labels.long(), label_smoothing=self.label_smoothing)
