"""The course of a pretraining run: which texts make its steps, by which rules, and after which it is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from minbert.optim.settings import OptimizerSettings
from minbert.pretraining.corpus_order import CorpusOrder, Numbers
from minbert.pretraining.settings import PretrainingSettings
from minbert.text.masking import MaskingSettings


@dataclass(frozen=True)
class PretrainingCourse:
    """All that decides how an encoder is pretrained, beside the encoder and the texts."""

    order: CorpusOrder
    masking: MaskingSettings
    settings: PretrainingSettings
    optimizer: OptimizerSettings

    @cached_property
    def steps_of_epochs(self) -> list[int]:
        """How many steps each epoch has."""
        return self.order.steps_in(self.settings.epochs)

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
            if end <= skip:
                continue
            for number, texts in enumerate(self.order.steps(epoch), start=start + 1):
                if number > skip:
                    yield texts, number == last or (number == end if every is None else number % every == 0)
