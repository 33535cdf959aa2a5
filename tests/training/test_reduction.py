"""What is added up of a step on several ranks: whole, or each rank's own rows of it put together again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from many_ranks import Team, team
from minbert.machine.ranks import ranks
from minbert.training.reduction import Gradient, Reduction

SHAPES = [(50, 3), (50, 3), (5, 2), (), (4,), (0, 2)]


@pytest.fixture(scope="module")
def three() -> Iterator[Team]:
    with team(3) as started:
        yield started


def gradients_of(rank: int) -> list[Gradient]:
    """Return a rank's gradients: few rows of a table, most rows of another, a matrix, a number, nothing, no rows."""
    generator = torch.Generator().manual_seed(rank)
    dense = [torch.randn(shape, generator=generator) for shape in SHAPES]
    few, most = torch.tensor([7 * rank, 7, 8]), torch.arange(10 * rank, 10 * rank + 20)
    tables = [
        torch.sparse_coo_tensor(rows[None], table[rows], table.shape, check_invariants=True)
        for table, rows in zip(dense, (few, most), strict=False)
    ]
    reached = [*tables, *dense[2:4], None, dense[5]]
    return [None if rank == 1 and index in (0, 3) else gradient for index, gradient in enumerate(reached)]


class Told(NamedTuple):
    """A gradient: its rows where it is sparse, and all of it."""

    rows: list[int] | None
    dense: Tensor


def told(gradient: Gradient) -> Told | None:
    if gradient is None:
        return None
    return Told(gradient.coalesce().indices()[0].tolist() if gradient.is_sparse else None, gradient.to_dense())


def reduced(cut: bool) -> tuple[Tensor, list[Told | None], list[Told | None]]:
    """Return the sum of losses, all gradients, and what this rank had of them in between."""
    parameters = [torch.zeros(shape) for shape in SHAPES]
    for parameter, gradient in zip(parameters, gradients_of(ranks().rank), strict=True):
        parameter.grad = gradient
    losses, reduction = torch.tensor([1.0 + ranks().rank]), Reduction()
    if not cut:
        return reduction.total_(losses, parameters), [told(parameter.grad) for parameter in parameters], []
    private, shared = parameters[2:3], [*parameters[:2], *parameters[3:]]
    losses, kept = reduction.cut(losses, private, shared)
    assert not any(parameter.grad is not None for parameter in shared)
    known = [told(gradient) for gradient in kept]
    reduction.whole_(shared, kept)
    return losses, [told(parameter.grad) for parameter in parameters], known


@pytest.mark.parametrize("cut", [False, True])
def test_sums_are_of_all_ranks_whole_or_by_rows(three: Team, cut: bool) -> None:
    of_ranks = [[told(gradient) for gradient in gradients_of(rank)] for rank in range(3)]
    for losses, whole, _ in three.run(reduced, cut):
        assert losses.tolist() == [6]
        assert whole[4] is None
        for index, total in enumerate(whole):
            there = [own[index].dense for own in of_ranks if own[index] is not None]
            assert bool(there) == (total is not None)
            if total is not None:
                torch.testing.assert_close(total.dense, torch.stack(there).sum(0))
        assert whole[0].rows == [0, 7, 8, 14]
        assert whole[1].rows is None  # most rows were read, so they came as one table


def test_each_rank_keeps_a_third_of_the_rows(three: Team) -> None:
    for rank, (_, _, [few, most, number, nothing, _]) in enumerate(three.run(reduced, True)):
        assert [row * 3 + rank for row in few.rows] == [row for row in (0, 7, 8, 14) if row % 3 == rank]
        assert most.dense.shape == (len(range(rank, 50, 3)), 3)
        assert len(number.dense) == (rank == 0)
        assert nothing is None
