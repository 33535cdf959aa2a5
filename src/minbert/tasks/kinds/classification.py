"""One of several classes."""

from __future__ import annotations

from typing import ClassVar

from minbert.tasks.kinds.named_classes import SoftmaxKind


class Classification(SoftmaxKind):
    """A label is one of several classes in no order."""

    name: ClassVar[str] = "classification"
    title: ClassVar[str] = "one of several classes"
    source: ClassVar[str] = "Devlin et al. 2019, section 4.1; Bishop 2006, section 4.3.4"

    default_loss: ClassVar[str] = "cross_entropy"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")
    further_metrics: ClassVar[tuple[str, ...]] = ("weighted_f1", "mcc", "average_precision", "roc_auc")
