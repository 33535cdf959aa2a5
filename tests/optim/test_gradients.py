"""Sparse gradients: the same norm, the same clipping and, bit by bit, the same updates as dense ones with zeros."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter, functional

from minbert.optim.adamaxw import AdamaxW
from minbert.optim.adamw import AdamW
from minbert.optim.base import AdamFamily
from minbert.optim.gradients import clip_, stored_gradients


def read(table: Tensor, rows: Tensor, *, sparse: bool) -> None:
    """Leave the gradient of a function of some rows."""
    weights = torch.arange(1.0, 1 + rows.numel() * 3).view(-1, 3)
    ((functional.embedding(rows, table, sparse=sparse) * weights).sum()).backward()  # type: ignore[no-untyped-call]


def both() -> tuple[Parameter, Parameter]:
    values = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    return Parameter(values.clone()), Parameter(values.clone())


@pytest.mark.parametrize("optimizer", [AdamW, AdamaxW])
def test_updates_are_those_of_the_dense_gradient(optimizer: type[AdamFamily]) -> None:
    """Rows read once and never again decay and move by their moments; a step without any gradient leaves all alone."""
    dense, sparse = both()
    optimizers = [optimizer([table], lr=0.1, weight_decay=0.5) for table in (dense, sparse)]
    for rows in ([3, 7, 3], [7], [], [19, 0], [3]):
        for table, each in zip((dense, sparse), optimizers, strict=True):
            if rows:
                read(table, torch.tensor(rows), sparse=table is sparse)
            each.step()
            each.zero_grad(set_to_none=True)
        assert torch.equal(dense, sparse)
    for name, tensor in optimizers[0].state[dense].items():
        assert torch.equal(tensor, optimizers[1].state[sparse][name])


@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_norm_and_clipping_are_those_of_the_dense_gradient(limit: float) -> None:
    dense, sparse = both()
    other = Parameter(torch.ones(4))
    rows = torch.tensor([3, 7, 3])  # twice the same row: its parts must be added before they are squared
    read(dense, rows, sparse=False)
    read(sparse, rows, sparse=True)
    read(sparse, torch.tensor([7]), sparse=True)  # another micro-batch
    read(dense, torch.tensor([7]), sparse=False)
    other.grad = torch.full((4,), 2.0)
    wanted = torch.nn.utils.clip_grad_norm_([dense, other], limit)
    expected = other.grad.clone()
    other.grad = torch.full((4,), 2.0)
    gradients = stored_gradients([sparse, other, Parameter(torch.zeros(2))])
    norm = torch.nn.utils.get_total_norm(gradients)
    torch.testing.assert_close(norm, wanted)
    clip_(gradients, norm, limit)
    torch.testing.assert_close(sparse.grad.to_dense(), dense.grad)  # type: ignore[union-attr]
    torch.testing.assert_close(other.grad, expected)
