"""Gradients as they stand in parameters: dense ones, and those of a table of which a step has read few rows.

Of the 30,522 rows of BERT's word embeddings a step reads some hundred. A dense gradient would be 47 MB of zeros for
MiniLM, to be written, measured, scaled and added up anew in every step; torch's sparse tensors hold the rows alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def stored_gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return the numbers of every gradient that is there, as tensors that share its memory.

    They are a dense gradient itself, and the rows of a sparse one. Rows that it holds more than once are added up
    first, so what is returned has the gradients' norm.
    """
    stored = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            stored.append(parameter.grad.values())
        elif parameter.grad is not None:
            stored.append(parameter.grad)
    return stored


def numbers_of(gradient: Tensor) -> Tensor:
    """Return the numbers that a gradient holds; those of a sparse one may belong to a row more than once."""
    return gradient._values() if gradient.is_sparse else gradient


def clip_(gradients: Sequence[Tensor], norm: Tensor, limit: float) -> None:
    """Scale gradients of the total ``norm`` (a scalar) down to ``limit``, in place, if it is larger."""
    scale = (limit / (norm + 1e-6)).clamp(max=1)  # as torch.nn.utils.clip_grad_norm_ has it
    if scale.device.type == "cpu" and scale == 1:  # a GPU is not asked: multiplying costs it less than waiting
        return
    for gradient in gradients:
        gradient.mul_(scale)


def on_common_rows(gradients: Sequence[Tensor | None]) -> tuple[list[Tensor | None], Tensor | None]:
    """Return several gradients of one parameter as dense tensors of one shape, and the rows that they stand for.

    Those are the rows (U,), sorted, that any of them has, if all are sparse by rows; None, for all rows, if not.
    """
    there = [gradient for gradient in gradients if gradient is not None]
    if not there or not all(gradient.is_sparse and gradient.sparse_dim() == 1 for gradient in there):
        return [gradient.to_dense() if gradient is not None else None for gradient in gradients], None
    sparse = [gradient.coalesce() for gradient in there]
    rows = torch.unique(torch.cat([gradient.indices()[0] for gradient in sparse]))
    parts = iter(sparse)
    return [None if gradient is None else spread(next(parts), rows) for gradient in gradients], rows


def spread(gradient: Tensor, rows: Tensor) -> Tensor:
    """Return the values of a sparse gradient at ``rows`` (U,), which has all of its own: (U, ...)."""
    spread = gradient.values().new_zeros(len(rows), *gradient.shape[1:])
    spread[torch.searchsorted(rows, gradient.indices()[0])] = gradient.values()
    return spread


def from_rows(values: Tensor, rows: Tensor, shape: torch.Size) -> Tensor:
    """Return the sparse gradient of a parameter of this ``shape`` that has ``values`` (U, ...) at ``rows`` (U,)."""
    return torch.sparse_coo_tensor(rows[None], values, shape, is_coalesced=True, check_invariants=False)


class Tables:
    """Room for sparse gradients as dense tensors, kept from step to step, zero between them."""

    def __init__(self) -> None:
        self._tables: dict[Tensor, Tensor] = {}
        self._used: list[tuple[Tensor, Tensor]] = []

    def dense(self, parameter: Tensor) -> Tensor:
        """Return the gradient of ``parameter``, which has one, as a dense tensor: to be read until ``clear``."""
        assert parameter.grad is not None
        if not parameter.grad.is_sparse or parameter.grad.sparse_dim() > 1:
            return parameter.grad.to_dense()
        gradient = parameter.grad.coalesce()
        if parameter not in self._tables:
            self._tables[parameter] = torch.zeros_like(parameter)
        table, rows = self._tables[parameter], gradient.indices()[0]
        table.index_copy_(0, rows, gradient.values())
        self._used.append((table, rows))
        return table

    def clear(self) -> None:
        """Set to zero what ``dense`` has filled."""
        for table, rows in self._used:
            table.index_fill_(0, rows, 0)
        self._used.clear()
