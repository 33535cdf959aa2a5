"""What ranks add up, collect and hand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from many_ranks import Team, team
from minbert.errors import UserError
from minbert.machine.joining import joined
from minbert.machine.launch import Launch, launched
from minbert.machine.ranks import Ranks, ranks


@pytest.fixture(scope="module")
def three() -> Iterator[Team]:
    with team(3) as started:
        yield started


def tensors_of(rank: int) -> list[Tensor]:
    """Return tensors of many shapes and two types, other ones for each rank; some are larger than a bucket."""
    generator = torch.Generator().manual_seed(rank)
    shapes = [(3,), (), (2, 5), (2600, 2600), (4, 3), (0,), (7,)]
    made = [torch.randn(shape, generator=generator) for shape in shapes]
    made[4] = made[4].T  # not contiguous
    return [*made, torch.randn(6, generator=generator, dtype=torch.float64)]


def summed() -> list[Tensor]:
    tensors = tensors_of(ranks().rank)
    ranks().sum_(tensors)
    return [tensor if tensor.numel() < 100 else tensor.sum() for tensor in tensors]


def test_sums_are_of_all_ranks(three: Team) -> None:
    found = three.run(summed)
    parts = zip(*(tensors_of(rank) for rank in range(3)), strict=True)
    for number, of_ranks in enumerate(parts):
        expected = sum(of_ranks[1:], of_ranks[0])
        expected = expected if expected.numel() < 100 else expected.sum()
        for own in found:
            torch.testing.assert_close(own[number], expected)


def parts_of(tensor: Tensor) -> list[Tensor]:
    """Return every third row from the first, the second and the third on; those of a number are of the first rank."""
    return [(tensor if tensor.dim() else tensor[None])[rank::3] for rank in range(3)]


def summed_by_parts() -> list[Tensor]:
    own, tensors = ranks(), tensors_of(ranks().rank)
    parts = own.sum_parts(map(parts_of, tensors))
    assert [len(part) for part in parts] == [len(parts_of(tensor)[own.rank]) for tensor in tensors]
    whole = [torch.empty_like(tensor) for tensor in tensors]
    own.join_parts_(parts, map(parts_of, whole))
    return [tensor if tensor.numel() < 100 else tensor.sum() for tensor in whole]


def test_parts_of_sums_joined_are_the_sums(three: Team) -> None:
    of_ranks = zip(*(tensors_of(rank) for rank in range(3)), strict=True)
    expected = [sum(others, first) for first, *others in of_ranks]
    expected = [total if total.numel() < 100 else total.sum() for total in expected]
    for found in three.run(summed_by_parts):
        torch.testing.assert_close(found, expected)


def copied() -> list[Tensor]:
    tensors = tensors_of(ranks().rank)[:3]
    ranks().copy_(tensors)
    return tensors


def test_copies_are_the_first_ranks(three: Team) -> None:
    for own in three.run(copied):
        assert all(torch.equal(one, other) for one, other in zip(own, tensors_of(0), strict=False))


def gathered(counts: list[int]) -> list[Tensor]:
    rank = ranks().rank
    rows = torch.full((counts[rank], 2), float(rank), requires_grad=True)
    return ranks().gather(rows)


@pytest.mark.parametrize("counts", [[3, 2, 2], [0, 4, 1], [0, 0, 0]])
def test_uneven_rows_come_in_the_order_of_ranks(three: Team, counts: list[int]) -> None:
    for found in three.run(gathered, counts):
        assert [own.tolist() for own in found] == [[[float(rank)] * 2] * counts[rank] for rank in range(3)]


def told() -> tuple[object, object]:
    own = ranks()
    decided = own.tell(lambda: {"score": 0.1 + own.rank, "names": ["a", None]})
    return decided, own.collect(own.rank * 1.5)


def test_the_first_rank_decides_and_all_are_heard(three: Team) -> None:
    for _ in range(2):
        assert three.run(told) == [({"score": 0.1, "names": ["a", None]}, [0.0, 1.5, 3.0])] * 3


@pytest.mark.parametrize(("things", "count"), [(7, 3), (2, 3), (0, 2), (6, 2)])
def test_each_thing_is_one_ranks_in_order(things: int, count: int) -> None:
    shares = [Ranks(rank, count).share(things) for rank in range(count)]
    assert [thing for share in shares for thing in share] == list(range(things))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_who_is_alone_sends_and_copies_nothing() -> None:
    with joined() as own:
        assert own.alone
        assert own is ranks()
        tensor = torch.ones(2)
        assert own.gather(tensor) == [tensor]
        own.sum_([tensor])
        own.copy_([tensor])
        assert tensor.tolist() == [1, 1]
        assert own.tell(lambda: own) is own
        assert own.collect(own) == [own]


def test_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert launched() is None
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UserError, match="MASTER_ADDR"):
        launched()
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "1")
    assert launched() == Launch(rank=1, ranks=4, local_rank=1, local_ranks=4, seconds=600)
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("MINBERT_TIMEOUT", "7.5")
    assert launched() == Launch(rank=1, ranks=4, local_rank=0, local_ranks=2, seconds=7.5)
    monkeypatch.setenv("MINBERT_TIMEOUT", "soon")
    with pytest.raises(UserError, match=r"MINBERT_TIMEOUT.*'soon'"):
        launched()
