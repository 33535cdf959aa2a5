"""Batches of sizes that come again, so that the kernels of their products need not be made anew."""

from __future__ import annotations

import torch
from torch import Tensor

from minbert.packed import PackedBatch

_STEP = 32
_STEPS_OF_A_SIZE = 16


def made_for_each_size(weight: Tensor) -> bool:
    """Return whether a product with ``weight`` needs a kernel made for the number of rows: of bf16, on a CPU."""
    # With AMX, a new number of rows takes 1 to 10 ms, where the product itself takes 0.5 to 2.5 ms (384 x 1536, 250 to
    # 1,000 rows). A pass over 32 texts took 0.29 s so, and 0.255 s with common sizes (benchmarks/kernel_sizes.py).
    if weight.device.type != "cpu":
        return False
    return weight.dtype == torch.bfloat16 or (
        torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


def filled_up(batch: PackedBatch, longest: int) -> PackedBatch:
    """Return the batch with one sequence more, which nobody asks for, so that its number of tokens is a common one.

    Common are multiples of 32 and, of large numbers, of a sixteenth to a 32nd of them. The batch itself is returned
    where its number is common already, or where the sequence would be longer than ``longest``.
    """
    tokens = len(batch.token_ids)
    missing = -tokens % max(_STEP, 2 ** (tokens.bit_length() - 1) // _STEPS_OF_A_SIZE)
    if not 0 < missing <= longest:
        return batch
    device = batch.token_ids.device
    return PackedBatch(
        torch.cat([batch.token_ids, batch.token_ids[:1].expand(missing)]),  # a word that has a gradient anyway
        torch.cat([batch.segment_ids, torch.zeros(missing, dtype=torch.int64, device=device)]),
        torch.cat([batch.positions, torch.arange(missing, device=device)]),
        torch.cat([batch.offsets, batch.offsets[-1:] + missing]),
    )
