"""Cross entropy with a target that lies between two classes."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from minbert.tasks.heads.base import Head, HeadOutput, Pair
from minbert.tasks.kinds import Kind
from minbert.tasks.losses.base import Loss


class SoftCrossEntropy(Loss):
    """``-sum_s t_s log softmax(logits)_s``, where the target t shares a label between the two scores next to it.

    A label of 3.8 puts 0.2 on 3 and 0.8 on 4, so the target's expected value is the label. Gao gives no rule for labels
    between two classes; on whole labels this is plain cross entropy.
    """

    name: ClassVar[str] = "soft_cross_entropy"
    title: ClassVar[str] = "cross entropy over the scale's scores, a label shared between its two neighbours"
    source: ClassVar[str] = "Gao, section 3.3 (text similarity)"
    kinds: ClassVar[tuple[str, ...]] = ("regression",)

    def refusal(self, kind: Kind, head: Head, pair: Pair | None) -> str | None:
        """Return why this loss cannot train such a task, or None where it can."""
        if why := super().refusal(kind, head, pair):
            return why
        return None if head.chooses_among_classes else "it needs the classes of head 'scale_softmax'"

    def targets(self, labels: Tensor, kind: Kind) -> Tensor:
        """Return labels (R,) counted from the lowest: where they lie among classes 0, 1, ..."""
        assert kind.bounds is not None
        return labels - kind.bounds[0]

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over rows; labels as ``targets`` gives them."""
        logits = output.class_logits
        assert logits is not None
        return F.cross_entropy(logits, shares_of(labels.to(logits.dtype), logits.shape[1]))


def shares_of(scores: Tensor, classes: int) -> Tensor:
    """Return each score's (R,) shares (R, classes) of classes 0, 1, ...: of the two next to it, the nearer has more."""
    numbers = torch.arange(classes, dtype=scores.dtype, device=scores.device)
    return (1 - (scores.unsqueeze(-1) - numbers).abs()).clamp(min=0)
