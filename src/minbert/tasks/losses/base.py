"""What a loss is: a function of a head's output and the labels."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from minbert.methods import Method
from minbert.tasks.heads.base import Head, HeadOutput, Pair, two_vectors
from minbert.tasks.kinds import Kind


class Loss(Method):
    """A recipe's choice of loss, or of one of a task's losses."""

    family: ClassVar[str] = "loss"
    kinds: ClassVar[tuple[str, ...]]
    """The names of the kinds of task it trains."""
    over_rows: ClassVar[bool] = True
    """Whether it is the mean of a loss of each row, so that a batch cut into micro-batches has the same gradient."""
    weighs_labels: ClassVar[bool] = False
    """Whether it is a mean over labels of what ``of_labels`` returns, so that labels can count more or less."""
    least_squares: ClassVar[bool] = False
    """Whether it is the squared difference of logit and label, so that the best linear head has a closed form."""
    over_vectors: ClassVar[Literal["texts", "rows"] | None] = None
    """Which sentence vectors it compares, where it does and so leaves the head alone: those of the two texts of a pair,
    or those of rows, of which each has one."""

    weight: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="the loss is multiplied by it before a task's losses are summed"
    )

    def refusal(self, kind: Kind, head: Head, pair: Pair | None) -> str | None:  # noqa: ARG002
        """Return why this loss cannot train such a task, or None where it can."""
        if kind.name not in self.kinds:
            return f"it trains tasks of kind {' or '.join(self.kinds)}"
        if self.over_vectors == "texts" and pair not in ("bi", "both"):
            return "it compares the vectors of texts read by themselves (pair: bi or both)"
        if self.over_vectors == "rows" and two_vectors(pair):
            return "it compares rows that have one vector each (single texts, or pair: cross)"
        return None

    def targets(self, labels: Tensor, kind: Kind) -> Tensor:  # noqa: ARG002
        """Return labels (R,) as ``__call__`` wants them: unchanged, unless a loss needs them on another scale."""
        return labels

    def duplicates(self, labels: Tensor) -> Tensor | None:  # noqa: ARG002
        """Return which rows (R,) hold two texts that mean the same, where the loss asks for clusters; else None."""
        return None

    def task_weight(self, kind: Kind) -> float:  # noqa: ARG002
        """Return the default weight of a task that has this loss alone.

        It is 1 unless a unit, or a scale, of the loss makes its gradient far longer than a cross entropy's.
        """
        return 1.0

    def of_labels(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the loss of each label, of the shape of labels (R, ...), where the loss ``weighs_labels``."""
        raise NotImplementedError

    @abstractmethod
    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:
        """Return the unweighted loss (a scalar, fp32) of ``R`` rows with fp32 labels (R,).

        ``clusters`` (R, 2), where they are known, number the two texts of a row so that equal numbers are texts known
        to mean the same (``minbert.tasks.clusters``).
        """
