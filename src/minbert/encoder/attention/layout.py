"""What all ways of computing attention have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import torch
from torch import Tensor

from minbert.encoder.attention.rotary import turned


class AttentionLayout(ABC):
    """Where a batch's sequences stand while their tokens attend. Made once a forward pass, for all layers."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._turns: dict[tuple[float, int], tuple[Tensor, Tensor]] = {}

    @property
    @abstractmethod
    def positions(self) -> Tensor:
        """(T,) each token's place in its own sequence, from 0: for layers that turn queries and keys by it."""

    def turns(self, base: float, size: int) -> tuple[Tensor, Tensor]:
        """Return cosines and sines (T, size / 2) of the angles by which RoPE turns each token's queries and keys.

        Made once for a ``base`` and a head's ``size``: plane ``i`` turns by ``base ** (-2 i / size)`` a token.
        """
        if (base, size) not in self._turns:
            exponents = torch.arange(0, size, 2, device=self._device) / size
            angles = self.positions[:, None] * (1.0 / base**exponents)
            self._turns[base, size] = angles.cos(), angles.sin()
        return self._turns[base, size]

    def turned(self, query_key_value: Tensor, base: float, size: int) -> Tensor:
        """Return (T, 3 * hidden) with queries and keys turned as RoPE does; see ``turns`` and ``rotary.turned``."""
        return turned(query_key_value, *self.turns(base, size))

    @abstractmethod
    def attend(self, query_key_value: Tensor, probability: float, window: int | None = None) -> Tensor:
        """Return each token's context, ``softmax(Q K^T / sqrt(head size) + bias) V`` with heads side by side.

        Args:
            query_key_value: (T, 3 * hidden): queries, keys and values, each with its heads side by side.
            probability: of dropping an attention probability; 0 outside of training.
            window: how far from a token those may stand that it attends to, on either side; None for any distance.

        Returns:
            (T, hidden)
        """


class PackedLayout(AttentionLayout):
    """A layout of sequences end to end.

    Everything is decided on the CPU, from the offsets; the device is never waited for.
    """

    def __init__(self, offsets: Tensor, device: torch.device) -> None:
        """Take the sequences of ``offsets`` (N+1,), each of at least one token."""
        super().__init__(device)
        self._offsets = offsets

    @cached_property
    def positions(self) -> Tensor:
        """See ``AttentionLayout``."""
        starts = self._offsets[:-1].repeat_interleave(self._offsets.diff())
        return (torch.arange(len(starts)) - starts).to(self._device, non_blocking=True)
