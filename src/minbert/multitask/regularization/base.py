"""What a regularization is: settings that start a regularizer, which adds a penalty to a task's loss.

The penalty of a batch is a mean over its rows, of how far two predictions for a row lie apart: the model's own, and one
for a perturbed input, by older weights, or under another dropout mask.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from pydantic import Field
from torch import Tensor

from minbert.methods import Method
from minbert.multitask.regularization.passes import Passes


class Penalty(NamedTuple):
    """What a regularizer says of a batch."""

    value: Tensor
    """A scalar with its graph, to be weighted and added to the loss: a mean over rows."""
    report: dict[str, Tensor]
    """What a run records, by name: scalars without a graph, each a mean over rows."""


class Regularizer:
    """What a regularization remembers in the course of a run."""

    def penalty(self, passes: Passes) -> Penalty:
        """Return the unweighted penalty of a task's batch, which has had its forward pass."""
        raise NotImplementedError

    def finish_step(self, progress: float) -> None:
        """Learn from the optimizer's step.

        Args:
            progress: the share of the run's steps that lay behind when the step began.
        """

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold for the run to go on as if it had never stopped."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state`` returned."""


class Regularization(Method):
    """A recipe's choice of what is added to a task's loss."""

    family: ClassVar[str] = "regularization"
    graphs: ClassVar[int]
    """How many forward passes it keeps in memory for the backward pass, beside the one that the loss needs."""
    twin: ClassVar[bool] = False
    """Whether all it compares is two passes with dropout masks of their own: these can run in one call."""
    needs_fp32: ClassVar[bool] = False
    """Whether it compares passes that lie closer together than bf16 can tell."""
    needs_dropout: ClassVar[bool] = False
    """Whether it is 0 without dropout."""

    weight: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="the penalty is multiplied by it and added to the task's loss"
    )

    @abstractmethod
    def start(self, weights: Mapping[str, Tensor]) -> Regularizer:
        """Return a regularizer for a run that begins with these weights of the model, by name."""
