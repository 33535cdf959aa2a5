"""What a stepper asks of the course of a run, and of the parts of its loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol, TypeVar

from torch import Tensor

from minbert.optim.settings import OptimizerSettings

StepT_co = TypeVar("StepT_co", covariant=True)


class Steps(Protocol[StepT_co]):
    """What a stepper must know of a run's course."""

    @property
    def optimizer(self) -> OptimizerSettings:
        """Of which optimizer the steps are."""

    @property
    def total_steps(self) -> int:
        """How many they are."""

    def steps(self, skip: int) -> Iterator[tuple[StepT_co, bool]]:
        """Yield the steps but the first ``skip``, each with whether an evaluation follows it. One follows the last."""


class Remembers(Protocol):
    """A part of a loop that changes from step to step, so that a checkpoint must hold it."""

    def state(self) -> dict[str, Tensor]:
        """Return what the checkpoint must hold, by name."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state`` returned."""


class Counts(NamedTuple):
    """What a step has read."""

    tasks: list[str]
    """Whose losses it has, in their order."""
    examples: int
    tokens: int
