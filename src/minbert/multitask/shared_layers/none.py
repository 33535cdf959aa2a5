"""No shared layer."""

from __future__ import annotations

from typing import ClassVar

from minbert.multitask.shared_layers.base import SharedLayer


class NoSharedLayer(SharedLayer):
    """Sequences are pooled from what the encoder says."""

    name: ClassVar[str] = "none"
    title: ClassVar[str] = "nothing between the encoder and pooling"
    source: ClassVar[str] = "Devlin et al. 2019, section 3.2"

    def build(self, width: int) -> None:  # noqa: ARG002
        """Return None."""
        return
