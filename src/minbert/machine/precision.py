"""Number formats of the forward pass."""

from __future__ import annotations

import functools
import time
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from minbert.machine.allocator import keep_few_kernels
from minbert.machine.device import available_device
from minbert.machine.ranks import ranks

Precision = Literal["fp32", "bf16"]
"""``bf16`` runs matrix products in bfloat16; weights, softmax, norms, losses and optimizer stay in fp32."""

_TRIALS = 5
_WORTHWHILE = 1.3
"""Rounding to 8 bits for less than this is a bad bargain; and a noisy minute must not turn the choice."""


def mixed_precision(device: torch.device, precision: Precision) -> torch.autocast:
    """Return the context that a forward pass runs in."""
    keep_few_kernels()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def round_once(module: nn.Module, precision: Precision) -> None:
    """Let a module's linear layers keep their weights as every forward pass in ``precision`` would round them.

    The answers are the same. It is for a model that is not trained any more: a small batch then spends no time on it.
    """
    if precision == "bf16":
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                layer.to(torch.bfloat16)


@functools.cache
def fastest_precision(device: torch.device) -> tuple[Precision, str]:
    """Return the faster format on ``device``, and why, in a few words.

    A GPU tells by its kind. On a CPU both formats multiply, once a process, what a layer of MiniLM would: bf16 is
    several times as fast where the processor multiplies it itself, and slower where torch must emulate it. Of several
    ranks the first decides: another might find something else.
    """
    found, why = ranks().tell(lambda: list(_fastest(device)))
    return ("bf16" if found == "bf16" else "fp32"), why


def _fastest(device: torch.device) -> tuple[Precision, str]:
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "this GPU multiplies bf16 itself"
        return "fp32", "this GPU does not multiply bf16 itself"
    if device.type != "cpu":
        return "fp32", f"bf16 was never tried on {device.type}"
    speedup = _product_seconds(torch.float32) / _product_seconds(torch.bfloat16)
    compared = f"{speedup:.1f} times faster" if speedup >= 1 else f"{1 / speedup:.1f} times slower"
    return "bf16" if speedup > _WORTHWHILE else "fp32", f"bf16 products are {compared} here"


def chosen_precision(setting: Literal["auto", "fp32", "bf16"]) -> Precision:
    """Return the number format that a setting means; ``auto`` is what is faster on this machine."""
    return fastest_precision(available_device())[0] if setting == "auto" else setting


def _product_seconds(dtype: torch.dtype) -> float:
    """Return the shortest time of a few products of 512 tokens with a matrix of 384 x 1,536."""
    keep_few_kernels()
    tokens, weight = torch.ones(512, 384, dtype=dtype), torch.ones(1536, 384, dtype=dtype)
    seconds = []
    for _ in range(_TRIALS):
        started = time.perf_counter()
        functional.linear(tokens, weight)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
