"""The course of a run: which steps it makes, by which rules, and after which of them it is evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from minbert.data.schedules import Schedule, Step, TaskSize
from minbert.multitask.combination import Combination
from minbert.optim.settings import OptimizerSettings
from minbert.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Course:
    """All that decides how a model is trained, beside the model and the rows. The same course makes the same steps."""

    schedule: Schedule
    sizes: Mapping[str, TaskSize]
    combination: Combination
    settings: TrainingSettings
    optimizer: OptimizerSettings
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """The steps of an epoch."""
        return self.schedule.steps_per_epoch(self.sizes)

    @property
    def total_steps(self) -> int:
        """The steps of all epochs."""
        return self.steps_per_epoch * self.settings.epochs

    def steps(self, skip: int = 0) -> Iterator[tuple[Step, bool]]:
        """Yield the steps but the first ``skip``, each with whether an evaluation follows it."""
        every, last = self.settings.evaluate_every or self.steps_per_epoch, self.total_steps
        steps = self.schedule.steps(self.sizes, self.settings.epochs, self.seed, skip)
        for number, (_, step) in enumerate(steps, start=skip + 1):
            yield step, number % every == 0 or number == last
