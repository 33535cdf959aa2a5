"""Tasks drawn by their rows at first, and ever more alike."""

from __future__ import annotations

from typing import ClassVar

from minbert.data.schedules.sampled import SampledSchedule


class Annealed(SampledSchedule):
    """One task a step, drawn with probability p ~ rows ** alpha, alpha = 1 - 0.8 (e - 1) / (E - 1) in epoch e of E.

    Alpha falls from 1 to 0.2. A run of one epoch has alpha 1.
    """

    name: ClassVar[str] = "annealed"
    title: ClassVar[str] = "one task a step, drawn by its rows at first and ever more alike each epoch"
    source: ClassVar[str] = "Stickland & Murray 2019, 'BERT and PALs', annealed sampling"

    def exponent(self, epoch: int, epochs: int) -> float:
        return 1 - 0.8 * (epoch - 1) / max(epochs - 1, 1)
