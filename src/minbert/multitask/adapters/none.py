"""No adapters."""

from __future__ import annotations

from typing import ClassVar

from minbert.encoder.config import EncoderConfig
from minbert.multitask.adapters.base import Adapters


class NoAdapters(Adapters):
    """All tasks share every weight of the encoder, and nothing is added to them."""

    name: ClassVar[str] = "none"
    title: ClassVar[str] = "nothing inside the encoder but its own weights"
    source: ClassVar[str] = "hard parameter sharing, Caruana 1997, 'Multitask Learning'"

    def build(self, config: EncoderConfig) -> None:  # noqa: ARG002
        """Return None."""
        return
