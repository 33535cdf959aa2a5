"""Binary cross entropy on one logit."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.losses.base import Loss


class BinaryCrossEntropy(Loss):
    """``-y log s(z) - (1 - y) log(1 - s(z))`` with s the logistic function of the logit z, free of overflow.

    Of rows with several classes it is the mean over the classes, too.
    """

    name: ClassVar[str] = "binary_cross_entropy"
    title: ClassVar[str] = "binary cross entropy with logits"
    source: ClassVar[str] = "the log-likelihood of a Bernoulli variable; used by all five papers for paraphrase"
    kinds: ClassVar[tuple[str, ...]] = ("binary", "multilabel")
    weighs_labels: ClassVar[bool] = True

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over rows."""
        return F.binary_cross_entropy_with_logits(output.logits.reshape(labels.shape), labels)

    def of_labels(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the loss of each row (R,), or of each of its classes (R, classes)."""
        return F.binary_cross_entropy_with_logits(output.logits.reshape(labels.shape), labels, reduction="none")
