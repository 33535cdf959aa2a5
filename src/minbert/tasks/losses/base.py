"""What a loss is: a function of a head's output and the labels."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from minbert.methods import Method
from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.kinds import Kind, LabelSettings


class Loss(Method):
    """A recipe's choice of loss.

    Every loss here is the mean of a loss of each row, so that a batch cut into micro-batches gives the same gradient.
    """

    family: ClassVar[str] = "loss"
    kind: ClassVar[Kind]
    """The kind of task it trains."""

    def refusal(self, labels: LabelSettings) -> str | None:
        """Return why this loss cannot train such a task, or None where it can."""
        return None if labels.kind == self.kind else f"it trains tasks of kind {self.kind}"

    @abstractmethod
    def __call__(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the mean loss (a scalar, fp32) of ``R`` rows with fp32 labels (R,)."""
