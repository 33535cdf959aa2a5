"""Tasks drawn in proportion to the square root of their rows."""

from __future__ import annotations

from typing import ClassVar

from minbert.data.schedules.sampled import SampledSchedule


class SquareRoot(SampledSchedule):
    """One task a step, drawn with probability p ~ sqrt(rows)."""

    name: ClassVar[str] = "square_root"
    title: ClassVar[str] = "one task a step, drawn in proportion to the square root of its rows"
    source: ClassVar[str] = "Stickland & Murray 2019, 'BERT and PALs', square root sampling"

    def exponent(self, epoch: int, epochs: int) -> float:  # noqa: ARG002
        return 0.5
