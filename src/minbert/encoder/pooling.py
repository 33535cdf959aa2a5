"""One vector a sequence: what heads see of a text."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from minbert.encoder.bert import EncoderOutput, first_tokens

Pooling = Literal["pooler", "cls", "mean"]
"""The pooler's output, the hidden state of [CLS], or the mean of a sequence's hidden states."""


def pool(output: EncoderOutput, offsets: Tensor, how: Pooling) -> Tensor:
    """Return (N, hidden): one vector for each sequence of a batch.

    Args:
        output: of the encoder.
        offsets: the batch's, (N+1,) on the CPU.
        how: which vector.
    """
    if how == "pooler":
        return output.pooled
    if how == "cls":
        return first_tokens(output.hidden_states, offsets)
    return mean_tokens(output.hidden_states, offsets)


def mean_tokens(hidden_states: Tensor, offsets: Tensor) -> Tensor:
    """Return (N, hidden): the mean over each sequence's tokens of ``hidden_states`` (T, hidden), in fp32 at least."""
    # A sequence is a bag of its own tokens. Forward and backward for 142 sequences of 4,096 tokens: 0.8 ms on 2 CPU
    # cores, segment_reduce 3.5, a sparse product 2.7; and unlike index_add it adds in a fixed order on a GPU too.
    device = hidden_states.device
    return functional.embedding_bag(
        torch.arange(len(hidden_states), device=device),
        hidden_states.to(torch.promote_types(hidden_states.dtype, torch.float32)),
        offsets.to(device, non_blocking=True),
        mode="mean",
        include_last_offset=True,
    )
