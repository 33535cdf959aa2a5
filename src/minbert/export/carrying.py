"""What a format can carry of a task, and what that depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from minbert.encoder.architectures import Architecture
from minbert.multitask.adapters import Adapters
from minbert.multitask.network import MultitaskNetwork
from minbert.multitask.shared_layers import SharedLayer
from minbert.tasks.settings import TaskSettings

Extent = Literal["exact", "logits only", "refused"]
"""Answers and decisions as minbert's own; the numbers, but not the decision that follows from them; nothing."""


@dataclass(frozen=True, slots=True)
class Carried:
    """How much of a task a format carries."""

    extent: Extent
    why: str = ""
    """What is lost, and why: the rest of a sentence that begins with the format's name. Empty where all is exact."""


EXACT = Carried("exact")


@dataclass(frozen=True, slots=True)
class Exported:
    """A task of a model, with all that decides whether a format can carry it."""

    task: TaskSettings
    family: Architecture
    """The encoder's."""
    width: int
    """Of the vectors that heads see."""
    adapters: Adapters
    shared_layer: SharedLayer

    @classmethod
    def of(cls, network: MultitaskNetwork, name: str) -> Exported:
        """Return what decides about a task of ``network``."""
        return cls(
            network.task(name),
            network.encoder.architecture,
            network.vector_width,
            network.adapters_settings,
            network.shared_layer_settings,
        )
