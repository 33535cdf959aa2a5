"""What ``padded_bilstm`` is in ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

import minbert.multitask.recurrence  # noqa: F401  (makes the operation known to torch)

_INT32 = 6
"""What ONNX calls it."""


def translations() -> dict[Any, Callable[..., Any]]:
    """Return our own operations, with what the exporter is to write for them."""
    return {torch.ops.minbert.bilstm.default: _bilstm}


def _bilstm(states: Any, lengths: Any, weights: Sequence[Any]) -> Any:
    import onnxscript

    op: Any = onnxscript.opset18  # its types do not know that numbers and lists become constants

    by_kind = zip(weights[:4], weights[4:], strict=True)  # of each kind the forward direction's, then the other's
    inputs, hidden, input_bias, hidden_bias = ([_in_onnx_order(op, one) for one in pair] for pair in by_kind)
    biases = [op.Concat(*pair, axis=0) for pair in zip(input_bias, hidden_bias, strict=True)]
    found, _, _ = op.LSTM(
        op.Transpose(states, perm=[1, 0, 2]),
        *(op.Concat(*(op.Unsqueeze(part, [0]) for part in parts), axis=0) for parts in (inputs, hidden, biases)),
        op.Cast(lengths, to=_INT32),
        direction="bidirectional",
        hidden_size=weights[1].shape[1],
    )
    return op.Reshape(op.Transpose(found, perm=[2, 0, 1, 3]), [0, 0, -1])  # (L, 2, S, size) to (S, L, 2 size)


def _in_onnx_order(op: Any, weight: Any) -> Any:
    """Return a weight (4 size, ...) whose gates come as torch has them (in, forget, cell, out) in ONNX's order."""
    entering, forgetting, cell, leaving = op.Split(weight, num_outputs=4, axis=0)
    return op.Concat(entering, leaving, forgetting, cell, axis=0)
