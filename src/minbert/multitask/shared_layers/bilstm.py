"""A bidirectional LSTM over the token states of every sequence, shared by all tasks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from minbert.encoder.attention.rearrangement import Rearrangement
from minbert.encoder.encoder import EncoderOutput, first_tokens
from minbert.multitask.recurrence import padded_bilstm
from minbert.multitask.shared_layers.base import SharedLayer, SharedLayerModule


class BiLstm(SharedLayer):
    """One layer of LSTM cells in each direction over the encoder's last hidden states.

    The paper says no more than that; here a task pools the LSTM's states as it would the encoder's: their mean, the
    first token's state, or, for ``pooling: pooler``, a tanh layer of the LSTM's own on that state. With ``head: mlp``
    and its dropout, tasks have the task-specific linear layers and dropout that the paper adds.
    """

    name: ClassVar[str] = "bilstm"
    title: ClassVar[str] = "a bidirectional LSTM over the token states"
    source: ClassVar[str] = "Yang & Dange, section 4.3; Graves & Schmidhuber 2005"

    size: int | None = Field(
        None,
        ge=1,
        description="width of the states of each direction; null: half the encoder's, so both have its width",
    )

    def build(self, width: int) -> BiLstmModule:
        """Return fresh cells."""
        return BiLstmModule(width, max(1, width // 2) if self.size is None else self.size)


class BiLstmModule(SharedLayerModule):
    """See ``BiLstm``."""

    def __init__(self, inputs: int, size: int) -> None:
        super().__init__()
        self.width = 2 * size
        self.lstm = nn.LSTM(inputs, size, bidirectional=True)
        self.pooler = nn.Linear(self.width, self.width)

    def forward(self, hidden_states: Tensor, offsets: Tensor) -> EncoderOutput:
        """Return states (T, width), forward direction first, and pooled vectors (N, width)."""
        to_steps, step_sizes = steps_of(offsets, hidden_states.device)
        # Rounding would add up from token to token, so the recurrence is in fp32 whatever the rest is in.
        with torch.autocast(hidden_states.device.type, enabled=False):
            (ordered,) = to_steps(hidden_states.to(self.pooler.weight.dtype))
            states, _ = self.lstm(PackedSequence(ordered, step_sizes))
        (packed,) = to_steps.inverse()(states.data)
        return EncoderOutput(packed, self.pooler(first_tokens(packed, offsets)).tanh())

    def padded(self, hidden_states: Tensor, mask: Tensor) -> EncoderOutput:
        """See ``SharedLayerModule``."""
        weights = [weight for direction in self.lstm.all_weights for weight in direction]
        states = padded_bilstm(hidden_states, mask.sum(1).clamp(min=1), weights)
        return EncoderOutput(states, self.pooler(states[:, 0]).tanh())


def steps_of(offsets: Tensor, device: torch.device) -> tuple[Rearrangement, Tensor]:
    """Return the way from tokens, sequence by sequence, to tokens step by step, and the sequences of each step.

    A step holds the tokens at one position of all sequences long enough to have it, longest sequence first: the order
    of torch's ``PackedSequence``, which takes the second value as its ``batch_sizes``.
    """
    ends = offsets.numpy()
    lengths = np.diff(ends)
    rank = np.empty(len(lengths), dtype=np.int64)
    rank[np.argsort(-lengths, kind="stable")] = np.arange(len(lengths))
    positions = np.arange(ends[-1]) - np.repeat(ends[:-1], lengths)
    order = np.lexsort((np.repeat(rank, lengths), positions))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    tokens = [len(order)]
    source, back = (torch.from_numpy(indices).to(device, non_blocking=True) for indices in (order, place))
    return Rearrangement(source, back, tokens, tokens), torch.from_numpy(np.bincount(positions))
