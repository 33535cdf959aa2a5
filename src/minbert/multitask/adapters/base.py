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


def joined(pieces: Sequence[Tensor]) -> Tensor:
    """Return pieces of rows end to end, without a copy where there is one piece."""
    return pieces[0] if len(pieces) == 1 else torch.cat(list(pieces))
