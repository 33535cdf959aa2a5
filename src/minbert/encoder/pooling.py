"""One vector a sequence: what heads see of a text."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from minbert.encoder.encoder import EncoderOutput, first_tokens
from minbert.errors import UserError

Pooling = Literal["pooler", "cls", "mean"]
"""The pooler's output, the hidden state of the first token, or the mean of a sequence's hidden states."""
Taken = Literal["pooler", "cls", "mean", "texts"]
"""What is taken of a sequence: a vector by one of the poolings, or the means of its two texts side by side."""


def pool(output: EncoderOutput, offsets: Tensor, how: Pooling) -> Tensor:
    """Return (N, hidden): one vector for each sequence of a batch.

    Args:
        output: of the encoder.
        offsets: the batch's, (N+1,) on the CPU.
        how: which vector.

    Raises:
        UserError: the pooler's output is asked for, and the encoder has none.
    """
    if how == "pooler":
        if output.pooled is None:
            raise UserError("pooling 'pooler': this encoder has no pooler. Choose 'mean' or 'cls'.")
        return output.pooled
    if how == "cls":
        return first_tokens(output.hidden_states, offsets)
    return mean_tokens(output.hidden_states, offsets)


def mean_tokens_of_texts(hidden_states: Tensor, segment_ids: Tensor, offsets: Tensor) -> Tensor:
    """Return (N, 2 hidden): the mean over each sequence's first text and that over its second, side by side.

    Special tokens before and between the texts count to the first, those at the end to the second. Of a single text
    the second mean is 0.

    Args:
        hidden_states: (T, hidden).
        segment_ids: (T,) 0 for a first text's tokens and 1 for a second's.
        offsets: the batch's, (N+1,) on the CPU.
    """
    ends = offsets.to(segment_ids.device, non_blocking=True)
    seconds_before = functional.pad(segment_ids.cumsum(0), (1, 0))[ends]  # (N+1,) tokens of second texts before each
    second_starts = ends[1:] - seconds_before.diff()
    bags = torch.cat([torch.stack([ends[:-1], second_starts], dim=1).flatten(), ends[-1:]])
    return mean_tokens(hidden_states, bags).view(len(offsets) - 1, -1)


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
