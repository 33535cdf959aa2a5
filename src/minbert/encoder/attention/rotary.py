"""RoPE: queries and keys turned by their place in the sequence (Su et al. 2021, section 3.2.2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def turned(query_key_value: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Return (T, 3 * hidden) with queries and keys turned, values as they are.

    Args:
        query_key_value: (T, 3 * hidden), each with its heads side by side. Of a head's numbers, those of its first half
            are turned in one plane each with those of its second, as transformers has them.
        cosine: (T, head size / 2) of the angles; see ``AttentionLayout.turns``.
        sine: likewise.
    """
    result: Tensor = _Turn.apply(query_key_value, cosine, sine)  # type: ignore[no-untyped-call]
    return result


class _Turn(torch.autograd.Function):
    """A turn, whose gradient is the turn back: nothing but the angles has to be kept for it."""

    @staticmethod
    def forward(ctx: Any, query_key_value: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        return _turn(query_key_value, cosine, sine)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        return _turn(gradient, cosine, -sine), None, None


def _turn(query_key_value: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    tokens, half = cosine.shape
    exact = torch.promote_types(query_key_value.dtype, torch.float32)  # of half precision, only the result is rounded
    parts = query_key_value.to(exact).view(tokens, 3, -1, 2, half)
    result = torch.empty_like(parts)
    result[:, 2] = parts[:, 2]
    cosine, sine = cosine[:, None, None].to(exact), sine[:, None, None].to(exact)
    (first, second), (new_first, new_second) = (halves[:, :2].unbind(3) for halves in (parts, result))
    torch.mul(first, cosine, out=new_first).addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=new_second).addcmul_(first, sine)
    return result.view(tokens, -1).to(query_key_value.dtype)
