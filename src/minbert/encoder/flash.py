"""Attention by one fused kernel over sequences of any lengths, for NVIDIA GPUs and half precision.

The kernel is FlashAttention-2 (Dao 2023) as torch carries it. ``torch.nn.attention.varlen`` calls the same one, but
has no dropout.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_LARGEST_HEAD = 256


def serves(query_key_value: Tensor, head_size: int) -> bool:
    """Return whether the kernel takes these queries, keys and values."""
    return (
        query_key_value.dtype in (torch.float16, torch.bfloat16)
        and head_size % 8 == 0
        and head_size <= _LARGEST_HEAD
        and _has_kernel(query_key_value.device)
    )


def flash_attention(
    query_key_value: Tensor, offsets: Tensor, longest: int, *, head_size: int, probability: float
) -> Tensor:
    """Return each token's context (T, hidden): what ``attention.attend`` returns, dropped with ``probability``.

    Args:
        query_key_value: (T, 3 * hidden), in half precision.
        offsets: (N+1,) int32, on the same device.
        longest: tokens of the longest sequence, known on the CPU: the device is not waited for.
        head_size: hidden / heads.
        probability: of dropping an attention probability; torch's generator of the device draws.
    """
    query, key, value = query_key_value.view(len(query_key_value), 3, -1, head_size).unbind(1)
    context, *_ = _kernel(query, key, value, offsets, offsets, longest, longest, probability, False, False)
    return context.flatten(1)


def _kernel(*arguments: Any) -> tuple[Tensor, ...]:
    results: tuple[Tensor, ...] = torch.ops.aten._flash_attention_forward(*arguments)
    return results


def _has_kernel(device: torch.device) -> bool:
    # Compute capability 8.0 (Ampere) is the kernel's oldest.
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
