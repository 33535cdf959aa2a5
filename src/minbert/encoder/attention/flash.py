"""Attention by one fused kernel over sequences of any lengths, for NVIDIA GPUs and half precision.

The kernel is FlashAttention-2 (Dao 2023) as torch carries it. ``torch.nn.attention.varlen`` calls the same one, but
has no dropout.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from minbert.encoder.attention.layout import PackedLayout

_LARGEST_HEAD = 256


class FlashLayout(PackedLayout):
    """Sequences end to end, as the batch has them: the kernel finds them by their offsets."""

    def __init__(self, offsets: Tensor, heads: int, device: torch.device) -> None:
        """Take the sequences of ``offsets`` (N+1,), each of at least one token, for ``heads`` attention heads."""
        super().__init__(offsets, device)
        self.heads = heads
        self.longest = int(offsets.diff().max())
        self.offsets = offsets.to(torch.int32).to(device, non_blocking=True)

    def attend(self, query_key_value: Tensor, probability: float, window: int | None = None) -> Tensor:
        """See ``AttentionLayout``; queries, keys and values are in half precision, torch's generator there drops."""
        tokens, width = query_key_value.shape
        query, key, value = query_key_value.view(tokens, 3, self.heads, width // (3 * self.heads)).unbind(1)
        ends, longest = self.offsets, self.longest
        context, *_ = _kernel(
            *(query, key, value, ends, ends, longest, longest, probability, False, False),
            window_size_left=window,
            window_size_right=window,
        )
        return context.flatten(1)


def has_kernel(device: torch.device, dtype: torch.dtype, head_size: int) -> bool:
    """Return whether the kernel takes heads of this size in this number format on this device."""
    half = dtype in (torch.float16, torch.bfloat16)
    return half and head_size % 8 == 0 and head_size <= _LARGEST_HEAD and _is_new_enough(device)


def _kernel(*arguments: Any, **options: Any) -> tuple[Tensor, ...]:
    results: tuple[Tensor, ...] = torch.ops.aten._flash_attention_forward(*arguments, **options)
    return results


def _is_new_enough(device: torch.device) -> bool:
    # Compute capability 8.0 (Ampere) is the kernel's oldest.
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
