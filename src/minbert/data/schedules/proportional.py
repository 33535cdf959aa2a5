"""Tasks drawn in proportion to their rows."""

from __future__ import annotations

from typing import ClassVar

from minbert.data.schedules.sampled import SampledSchedule


class Proportional(SampledSchedule):
    """One task a step, drawn with probability p ~ rows."""

    name: ClassVar[str] = "proportional"
    title: ClassVar[str] = "one task a step, drawn in proportion to its rows"
    source: ClassVar[str] = "Sanh et al. 2019, 'A Hierarchical Multi-task Approach', proportional sampling"

    def exponent(self, epoch: int, epochs: int) -> float:  # noqa: ARG002
        return 1.0
