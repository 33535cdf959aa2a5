"""Number formats of the forward pass."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]
"""``bf16`` runs matrix products in bfloat16; weights, softmax, norms, losses and optimizer stay in fp32."""


def mixed_precision(device: torch.device, precision: Precision) -> torch.autocast:
    """Return the context that a forward pass runs in."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def fastest_precision(device: torch.device) -> tuple[Precision, str]:
    """Return the faster format on ``device``, and why, in a few words.

    bf16 pays only where the processor multiplies it itself; where torch must emulate it, it is slower than fp32.
    """
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "this GPU multiplies bf16 itself"
    elif device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "bf16", "this CPU multiplies bf16 itself"
    return "fp32", f"this {device.type.upper()} does not multiply bf16 itself"
