"""What an adapter is: settings that build small modules which change what the encoder's layers compute.

Either every task has an adapter of its own, trained by its own gradient alone, as a head is; or all tasks share one,
which then must be able to be merged into the encoder's weights: a saved model's encoder is a plain one of its family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from minbert.encoder.adaptation import LayerAdaptation
from minbert.encoder.attention.padded import PaddedLayout
from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.methods import Method
from minbert.packed import PackedBatch


class Adapter(nn.Module, ABC):
    """A built adapter for all layers. Fresh, it leaves the encoder's output as it was."""

    layers: nn.ModuleList
    """What belongs to one encoder layer only, in their order."""

    @staticmethod
    @abstractmethod
    def adaptations(adapters: Sequence[Adapter], batch: PackedBatch, tokens: Sequence[int]) -> list[LayerAdaptation]:
        """Return what adapters of one kind change in each layer in a pass over ``batch``.

        Args:
            adapters: of each run of tokens in turn.
            batch: on their device.
            tokens: the length of each run; together, the batch.
        """

    @staticmethod
    @abstractmethod
    def padded_adaptations(
        adapters: Sequence[Adapter], numbers: Tensor, layout: PaddedLayout
    ) -> Sequence[LayerAdaptation]:
        """Return what adapters of one kind change in each layer in a pass over ``S`` padded sequences.

        Args:
            adapters: of one kind.
            numbers: (S,) which of them each sequence meets, counted from 1; 0 for none.
            layout: of the sequences.
        """

    def merge(self, encoder: Encoder) -> None:  # noqa: ARG002
        """Change the weights of ``encoder`` so that it computes without the adapter what it does now with it.

        Raises:
            ValueError: an adapter of this kind is no change of weights.
        """
        raise ValueError(f"{type(self).__name__} cannot be merged into an encoder's weights")


class Adapters(Method):
    """A recipe's choice of adapters."""

    family: ClassVar[str] = "adapters"
    default: ClassVar[str | None] = "none"

    @property
    def private(self) -> bool:
        """Whether each task has an adapter of its own; else all share one."""
        return True

    @property
    def trains_encoder(self) -> bool:
        """Whether the encoder's own weights are trained too."""
        return True

    @abstractmethod
    def build(self, config: EncoderConfig) -> Adapter | None:
        """Return a fresh adapter for an encoder of this shape, drawn by torch's default generator; None for none."""


def chosen(weights: Sequence[Tensor], numbers: Tensor) -> Tensor:
    """Return the weight (S, ...) of each of ``S`` sequences: one of ``weights``, all of a shape, or zeros for 0."""
    return torch.stack([torch.zeros_like(weights[0]), *weights]).index_select(0, numbers)


def joined(pieces: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return pieces of rows (or of another dimension) end to end, without a copy where there is one piece."""
    return pieces[0] if len(pieces) == 1 else torch.cat(list(pieces), dim)
