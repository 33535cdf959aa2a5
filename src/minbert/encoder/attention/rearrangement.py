"""Rows put into another order, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """Rows of several pieces end to end, put into another order and cut into other pieces."""

    source_of_row: Tensor
    """For each row that comes out, the row that goes in. Rows that nobody needs repeat another."""
    row_of_source: Tensor
    """For each row that goes in, the one row that comes out and counts."""
    sizes: list[int]
    """Rows of each piece that comes out."""
    source_sizes: list[int]
    """Rows of each piece that goes in."""

    def inverse(self) -> Rearrangement:
        """Return the way back."""
        return Rearrangement(self.row_of_source, self.source_of_row, self.source_sizes, self.sizes)

    def __call__(self, *pieces: Tensor) -> tuple[Tensor, ...]:
        """Return the pieces of ``sizes`` rows made from pieces of ``source_sizes`` rows."""
        rearranged: tuple[Tensor, ...] = _Rearrange.apply(self, *pieces)  # type: ignore[no-untyped-call]
        return rearranged


class _Rearrange(torch.autograd.Function):
    """A gather whose gradient is the opposite gather.

    Autograd's own would add into zeros: slowly and, on a GPU, in no fixed order.
    """

    @staticmethod
    def forward(ctx: Any, way: Rearrangement, *pieces: Tensor) -> tuple[Tensor, ...]:
        ctx.back = way.inverse()
        return _gather(way, pieces)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_gather(ctx.back, gradients)


def _gather(way: Rearrangement, pieces: Sequence[Tensor]) -> tuple[Tensor, ...]:
    rows = torch.cat(list(pieces)) if len(pieces) > 1 else pieces[0]
    return torch.split(rows.index_select(0, way.source_of_row), way.sizes)
