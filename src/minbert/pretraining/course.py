"""The course of a pretraining run: which texts make its steps, by which rules, and after which it is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from minbert.optim.settings import OptimizerSettings
from minbert.pretraining.corpus_order import CorpusOrder
from minbert.pretraining.settings import PretrainingSettings
from minbert.pretraining.steps import EpochSteps
from minbert.randomness import Numbers
from minbert.text.masking import MaskingSettings


@dataclass(frozen=True)
class PretrainingCourse:
    """All that decides how an encoder is pretrained, beside the encoder and the texts."""

    order: CorpusOrder
    cut: EpochSteps
    masking: MaskingSettings
    settings: PretrainingSettings
    optimizer: OptimizerSettings

    @cached_property
    def steps_of_epochs(self) -> list[int]:
        """How many steps each epoch has."""
        return [self.cut.count(epoch) for epoch in range(self.settings.epochs)]

    @property
    def total_steps(self) -> int:
        """The steps of all epochs."""
        return sum(self.steps_of_epochs)

    def steps(self, skip: int = 0) -> Iterator[tuple[Numbers, bool]]:
        """Yield the steps but the first ``skip``, each with whether an evaluation follows it."""
        every, last = self.settings.evaluate_every, self.total_steps
        end = 0
        for epoch, count in enumerate(self.steps_of_epochs):
            start, end = end, end + count
            for number in range(max(start, skip) + 1, end + 1):
                texts = self.order.texts(epoch, *self.cut.span(epoch, number - start - 1))
                yield texts, number == last or (number == end if every is None else number % every == 0)
