"""A bidirectional LSTM over padded sequences, as one operation that a tracer records and does not look into.

Traced step by step it would be a graph for sequences of one length only.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


@torch.library.custom_op("minbert::bilstm", mutates_args=())
def padded_bilstm(states: Tensor, lengths: Tensor, weights: list[Tensor]) -> Tensor:
    """Return the states (S, L, 2 size) of both directions, the forward one's first; those of padding are 0.

    Args:
        states: (S, L, inputs).
        lengths: (S,) int64, each from 1 to L.
        weights: of each direction those of the inputs (4 size, inputs) and of the states (4 size, size), with their
            biases, in torch's order of gates.
    """
    packed = pack_padded_sequence(states, lengths.cpu(), batch_first=True, enforce_sorted=False)
    start = states.new_zeros(2, len(states), weights[1].shape[1])
    data, _, _ = torch.lstm(packed.data, packed.batch_sizes, (start, start), weights, True, 1, 0.0, False, True)
    found = PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    padded, _ = pad_packed_sequence(found, batch_first=True, total_length=states.shape[1])
    return padded


@padded_bilstm.register_fake
def _shape(states: Tensor, lengths: Tensor, weights: list[Tensor]) -> Tensor:  # noqa: ARG001
    return states.new_empty(states.shape[0], states.shape[1], 2 * weights[1].shape[1])
