"""Which layout serves a forward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from minbert.encoder.attention.bins import BinLayout
from minbert.encoder.attention.flash import FlashLayout, has_kernel
from minbert.encoder.attention.layout import AttentionLayout


def choose_layout(
    offsets: Tensor, heads: int, head_size: int, weight: Tensor, bias: Tensor | None = None
) -> AttentionLayout:
    """Return the fastest layout that serves.

    Args:
        offsets: the batch's, (N+1,) on the CPU; each sequence has at least one token.
        heads: attention heads.
        head_size: width of a head's queries.
        weight: one like those that make queries, keys and values: they are on its device and in its number format.
        bias: (heads, 2 * longest - 1), added to the scores of all layers: ``bias[:, longest - 1 + d]`` for a key that
            stands ``d`` tokens after its query; ``longest`` is the length of the longest sequence.
    """
    if bias is None and has_kernel(weight.device, _product_dtype(weight), head_size):
        return FlashLayout(offsets, heads, weight.device)
    return BinLayout(offsets, heads, weight.device, bias)


def _product_dtype(weight: Tensor) -> torch.dtype:
    """Return the number format in which products with ``weight`` come out here."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
