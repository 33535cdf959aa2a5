"""Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2) over a packed batch.

Every token attends to the tokens of its own sequence. Sequences are laid into bins (``bins.py``); a bin's scores are
one square matrix in which a bias of minus infinity parts the sequences that share it. A token has exactly one slot, so
going from packed to bins and back is a gather, and so is either's gradient. Where a fused kernel takes sequences as
they are (``flash.py``), there are no bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minbert.encoder import flash
from minbert.encoder.bins import Group, fill_bins
from minbert.encoder.dropout import dropout


class AttentionLayout:
    """Where the sequences of a packed batch stand. Made once a forward pass, shared by all layers.

    Everything is decided on the CPU, from the offsets; the device is never waited for.
    """

    def __init__(self, offsets: Tensor, heads: int, device: torch.device) -> None:
        """Take the sequences of ``offsets`` (N+1,), each of at least one token, for ``heads`` attention heads."""
        self._offsets = offsets
        self._heads = heads
        self._device = device
        self.longest = int(offsets.diff().max())

    @cached_property
    def offsets(self) -> Tensor:
        """(N+1,) int32 on the device: what a fused kernel wants to know."""
        return self._offsets.to(torch.int32).to(self._device, non_blocking=True)

    @cached_property
    def bins(self) -> BinLayout:
        """Which slot of which bin each token takes."""
        return BinLayout(self._offsets, self._heads, self._device)


class BinLayout:
    """Which slot of which bin each token of a packed batch takes.

    Attributes:
        groups: the bins, by width.
        biases: for each group (bins, 1, width, width): 0 where two slots belong to one sequence, else minus infinity.
            Empty slots see each other only, so nothing in them reaches a token or a gradient.
        to_bins: from rows (T * 3 * heads, head size) to each group's queries, keys and values in turn, each
            (bins * heads * width, head size).
        to_packed: from each group's contexts (bins * heads * width, head size) to rows (T * heads, head size).
    """

    def __init__(self, offsets: Tensor, heads: int, device: torch.device) -> None:
        """Lay out the sequences of ``offsets`` (N+1,), each of at least one token, for ``heads`` attention heads."""
        ends = offsets.numpy()
        lengths = np.diff(ends)
        bins = fill_bins(lengths)
        slot_of_token = np.arange(ends[-1]) + np.repeat(bins.first_slots - ends[:-1], lengths)
        token_of_slot = np.zeros(bins.slots, dtype=np.int64)  # an empty slot repeats token 0
        token_of_slot[slot_of_token] = np.arange(ends[-1])
        sequence_of_slot = np.full(bins.slots, -1)
        sequence_of_slot[slot_of_token] = np.repeat(np.arange(len(lengths)), lengths)

        slots, tokens, sequences = (
            torch.from_numpy(array).to(device, non_blocking=True)
            for array in (slot_of_token, token_of_slot, sequence_of_slot)
        )
        self.groups = bins.groups
        self.biases = [
            _bias(sequences[group.start : group.stop].view(group.bins, group.width)) for group in bins.groups
        ]
        self.to_bins = _rearrangement(bins.groups, slots, tokens, parts=3, heads=heads)
        self.to_packed = _rearrangement(bins.groups, slots, tokens, parts=1, heads=heads).inverse()


def attend(
    query_key_value: Tensor, layout: AttentionLayout, *, head_size: int, probability: float, training: bool
) -> Tensor:
    """Return each token's context, ``softmax(Q K^T / sqrt(head_size)) V`` with heads side by side.

    Args:
        query_key_value: (T, 3 * hidden): queries, keys and values, each with its heads side by side.
        layout: of the batch.
        head_size: hidden / heads.
        probability: of dropping an attention probability.
        training: whether to drop at all.

    Returns:
        (T, hidden)
    """
    if flash.serves(query_key_value, head_size):
        dropped = probability if training else 0.0
        return flash.flash_attention(
            query_key_value, layout.offsets, layout.longest, head_size=head_size, probability=dropped
        )
    tokens, width = query_key_value.shape
    bins = layout.bins
    pieces = bins.to_bins(query_key_value.view(-1, head_size))
    contexts = []
    for group, bias, *parts in zip(bins.groups, bins.biases, pieces[0::3], pieces[1::3], pieces[2::3], strict=True):
        query, key, value = (part.view(-1, group.width, head_size) for part in parts)
        # Plain products beat scaled_dot_product_attention with this bias on a CPU, which has no fused kernel with
        # dropout: 26 against 47 ms forward and backward for 4,096 tokens, 12 heads of 32 and width 64 in fp32, 19
        # against 49 ms in bf16; at width 512 376 against 481 and 208 against 466 ms.
        scores = torch.bmm(query * head_size**-0.5, key.transpose(1, 2))
        scores = scores.view(group.bins, -1, group.width, group.width).add_(bias.to(scores.dtype))
        # A softmax of bf16 computes in fp32 inside and rounds once, as the product that follows would round anyway.
        probabilities = dropout(scores.softmax(-1), probability, training=training)
        context = torch.bmm(probabilities.view(-1, group.width, group.width), value)
        contexts.append(context.view(-1, head_size))
    return bins.to_packed(*contexts)[0].view(tokens, width // 3)


def _bias(sequences: Tensor) -> Tensor:
    """Return (bins, 1, width, width): minus infinity where two of a bin's slots hold different ``sequences``."""
    apart = sequences[:, None, :, None] != sequences[:, None, None, :]
    return torch.zeros(apart.shape, device=apart.device).masked_fill_(apart, float("-inf"))


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


def _rearrangement(
    groups: list[Group], slot_of_token: Tensor, token_of_slot: Tensor, *, parts: int, heads: int
) -> Rearrangement:
    """Return the way from packed rows to bins, where a token has ``parts`` (query, key, value) of ``heads`` rows each.

    Packed rows are ordered by (token, part, head); a group's by (part, bin, head, place in the bin).
    """
    device = token_of_slot.device
    rows = parts * heads
    packed = torch.arange(len(slot_of_token) * rows, device=device).view(-1, rows).index_select(0, token_of_slot)
    sources, destinations, sizes = [], [], []
    for group in groups:
        shape = (group.bins, group.width, parts, heads)
        source = packed[group.start : group.stop].view(shape).permute(2, 0, 3, 1)
        sources.append(source.reshape(-1))
        numbers = torch.arange(group.start * rows, group.stop * rows, device=device).view(source.shape)
        destinations.append(numbers.permute(1, 3, 0, 2).reshape(-1, rows))
        sizes += [source.numel() // parts] * parts
    return Rearrangement(
        source_of_row=torch.cat(sources),
        row_of_source=torch.cat(destinations).index_select(0, slot_of_token).view(-1),
        sizes=sizes,
        source_sizes=[len(slot_of_token) * rows],
    )
