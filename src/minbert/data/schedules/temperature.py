"""Tasks drawn by their rows, evened out by a temperature."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from minbert.data.schedules.sampled import SampledSchedule


class Temperature(SampledSchedule):
    """One task a step, drawn with probability p ~ rows ** (1 / temperature)."""

    name: ClassVar[str] = "temperature"
    title: ClassVar[str] = "one task a step, drawn by its rows evened out by a temperature"
    source: ClassVar[str] = "Arivazhagan et al. 2019, 'Massively Multilingual NMT in the Wild', p ~ D^(1/T)"

    temperature: float = Field(
        5.0, ge=1, allow_inf_nan=False, description="1: in proportion to rows; the higher, the more alike the tasks"
    )

    def exponent(self, epoch: int, epochs: int) -> float:  # noqa: ARG002
        return 1 / self.temperature
