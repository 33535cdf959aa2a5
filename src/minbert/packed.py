"""The packed batch: sequences end to end, without padding. What text makes and the encoder takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """The tokens of ``N`` sequences end to end, ``T`` in all.

    ``offsets`` stays on the CPU: it decides shapes, and reading it must never wait for a device.
    """

    token_ids: Tensor
    """(T,) int64, vocabulary ids, special tokens included."""
    segment_ids: Tensor
    """(T,) int64, 0 for a sequence's first text and 1 for its second."""
    positions: Tensor
    """(T,) int64, each token's place in its own sequence, from 0."""
    offsets: Tensor
    """(N+1,) int64 on the CPU: sequence ``i`` is tokens ``offsets[i]`` to ``offsets[i+1]``."""

    def __len__(self) -> int:
        """Return N."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """(N,) int64 on the CPU: the number of tokens of each sequence."""
        return self.offsets.diff()

    def to(self, device: torch.device) -> PackedBatch:
        """Return the batch with its token tensors on ``device``; the offsets stay where they are."""
        return PackedBatch(
            self.token_ids.to(device, non_blocking=True),
            self.segment_ids.to(device, non_blocking=True),
            self.positions.to(device, non_blocking=True),
            self.offsets,
        )


def concatenate(batches: list[PackedBatch]) -> PackedBatch:
    """Return one batch with the sequences of all ``batches``, in order."""
    if len(batches) == 1:
        return batches[0]
    lengths = torch.cat([batch.lengths for batch in batches])
    return PackedBatch(
        torch.cat([batch.token_ids for batch in batches]),
        torch.cat([batch.segment_ids for batch in batches]),
        torch.cat([batch.positions for batch in batches]),
        torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]),
    )
