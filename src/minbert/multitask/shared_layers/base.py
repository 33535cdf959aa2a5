"""What a shared layer is: settings that build a module between the encoder's token states and pooling."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from minbert.encoder.encoder import EncoderOutput
from minbert.methods import Method


class SharedLayerModule(nn.Module):
    """A built shared layer. Subclasses read the token states of each sequence on its own."""

    width: int
    """Of the states and vectors it gives."""

    def forward(self, hidden_states: Tensor, offsets: Tensor) -> EncoderOutput:
        """Return what pooling sees, from the encoder's hidden states (T, hidden) and the batch's offsets (N+1,)."""
        raise NotImplementedError

    def padded(self, hidden_states: Tensor, mask: Tensor) -> EncoderOutput:
        """Return the same for padded sequences: from states (S, L, hidden) and which of them (S, L) are no padding.

        Returns states (S, L, width), of which those of padding mean nothing, and pooled vectors (S, width).
        """
        raise NotImplementedError


class SharedLayer(Method):
    """A recipe's choice of shared layer."""

    family: ClassVar[str] = "shared_layer"
    default: ClassVar[str | None] = "none"

    @abstractmethod
    def build(self, width: int) -> SharedLayerModule | None:
        """Return a fresh layer over an encoder of ``width``, drawn by torch's default generator; None for none."""
