"""Number formats of the forward pass."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]
"""``bf16`` runs matrix products in bfloat16; weights, softmax, norms, losses and optimizer stay in fp32."""


def mixed_precision(device: torch.device, precision: Precision) -> torch.autocast:
    """Return the context that a forward pass runs in."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
