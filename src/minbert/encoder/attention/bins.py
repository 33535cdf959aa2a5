"""Attention by plain products over bins of sequences.

Sequences are laid into bins (``filling.py``); a bin's scores are one square matrix in which a bias of minus infinity
parts the sequences that share it. A token has exactly one slot, so going from packed to bins and back is a gather, and
so is either's gradient. A sequence's tokens stand in slots that follow each other: the distance of two of its tokens is
that of their slots.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from minbert.encoder.attention.filling import Group, fill_bins
from minbert.encoder.attention.layout import PackedLayout
from minbert.encoder.attention.rearrangement import Rearrangement
from minbert.encoder.dropout import dropout


class BinLayout(PackedLayout):
    """Which slot of which bin each token of a packed batch takes.

    Attributes:
        groups: the bins, by width.
        to_bins: from rows (T * 3 * heads, head size) to each group's queries, keys and values in turn, each
            (bins * heads * width, head size).
        to_packed: from each group's contexts (bins * heads * width, head size) to rows (T * heads, head size).
    """

    def __init__(self, offsets: Tensor, heads: int, device: torch.device, bias: Tensor | None = None) -> None:
        """Lay out the sequences of ``offsets`` (N+1,) for ``heads`` attention heads; see ``choose_layout``."""
        super().__init__(offsets, device)
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
        self.to_bins = _rearrangement(bins.groups, slots, tokens, parts=3, heads=heads)
        self.to_packed = _rearrangement(bins.groups, slots, tokens, parts=1, heads=heads).inverse()
        self._heads = heads
        self._farthest = int(lengths.max()) - 1
        self._sequences = sequences
        self._bias = bias
        self._biases: dict[int | None, list[Tensor]] = {}

    def attend(self, query_key_value: Tensor, probability: float, window: int | None = None) -> Tensor:
        """See ``AttentionLayout``."""
        tokens, width = query_key_value.shape
        head_size = width // (3 * self._heads)
        pieces = self.to_bins(query_key_value.view(-1, head_size))
        contexts = []
        for group, bias, *parts in zip(
            self.groups, self.biases(window), pieces[0::3], pieces[1::3], pieces[2::3], strict=True
        ):
            query, key, value = (part.view(-1, group.width, head_size) for part in parts)
            # Plain products beat scaled_dot_product_attention with this bias on a CPU, which has no fused kernel with
            # dropout: 26 against 47 ms forward and backward for 4,096 tokens, 12 heads of 32 and width 64 in fp32, 19
            # against 49 ms in bf16; at width 512 376 against 481 and 208 against 466 ms.
            scores = torch.bmm(query * head_size**-0.5, key.transpose(1, 2))
            scores = scores.view(group.bins, -1, group.width, group.width).add_(bias.to(scores.dtype))
            # A softmax of bf16 computes in fp32 inside and rounds once, as the product that follows would round anyway.
            probabilities = dropout(scores.softmax(-1), probability, training=True)
            context = torch.bmm(probabilities.view(-1, group.width, group.width), value)
            contexts.append(context.view(-1, head_size))
        return self.to_packed(*contexts)[0].view(tokens, width // 3)

    def biases(self, window: int | None) -> list[Tensor]:
        """Return what is added to each group's scores, (bins, 1 or heads, width, width); made once for a window.

        It is minus infinity where two slots belong to different sequences or stand farther apart than the window,
        elsewhere 0 or what the bias says. Empty slots see each other only, so nothing in them reaches a token or a
        gradient.
        """
        if window is not None and window >= self._farthest:
            window = None
        if window not in self._biases:
            self._biases[window] = [self._group_bias(group, window) for group in self.groups]
        return self._biases[window]

    def _group_bias(self, group: Group, window: int | None) -> Tensor:
        sequences = self._sequences[group.start : group.stop].view(group.bins, group.width)
        apart = sequences[:, None, :, None] != sequences[:, None, None, :]
        if window is not None:
            places = torch.arange(group.width, device=apart.device)
            apart = apart | ((places[:, None] - places).abs() > window)
        if self._bias is None:
            return torch.zeros(apart.shape, device=apart.device).masked_fill_(apart, float("-inf"))
        return _by_places(self._bias, group.width).masked_fill(apart, float("-inf"))


def _by_places(bias: Tensor, width: int) -> Tensor:
    """Return (heads, width, width) from (heads, distances): the bias of each key (last) for each query."""
    more = width - (bias.shape[1] + 1) // 2  # distances that no two tokens have, or that do not fit into the group
    return functional.pad(bias, (more, more)).unfold(1, width, 1).flip(1)


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
