"""Random orders that are computed: each holds every number once, and all orders are as likely."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from minbert.randomness import Permutation


@given(st.integers(1, 3000), st.integers(0, 2**63), st.integers(0, 2**62))
def test_an_order_holds_every_number_once(size: int, seed: int, turn: int) -> None:
    order = Permutation(size, seed, "name")(np.arange(size), turn)
    assert np.array_equal(np.sort(order), np.arange(size))


def test_sizes_around_squares_and_powers_of_two_are_like_others() -> None:
    for size in [*range(1, 130), *(n + d for n in (255**2, 256**2) for d in (-1, 0, 1))]:
        assert len(set(Permutation(size, 1, "name")(np.arange(size)).tolist())) == size


@given(st.integers(1, 10**15), st.data())
def test_any_part_can_be_had_by_itself(size: int, data: st.DataObject) -> None:
    places = np.array(data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=20, unique=True)))
    turns = np.array(data.draw(st.lists(st.integers(0, 9), min_size=len(places), max_size=len(places))))
    order = Permutation(size, 3, "name")
    together = order(places, turns)
    assert together.tolist() == [int(order(places[[n]], int(turns[n]))[0]) for n in range(len(places))]
    assert (together >= 0).all() and (together < size).all()


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
def test_all_orders_of_a_few_things_are_as_likely(size: int) -> None:
    turns = 100 * math.factorial(size)
    places, each = np.tile(np.arange(size), turns), np.repeat(np.arange(turns), size)
    orders = Permutation(size, 7, "name")(places, each).reshape(turns, size)
    counts = Counter(map(tuple, orders.tolist()))
    seen = [*counts.values(), *[0] * (math.factorial(size) - len(counts))]
    assert stats.chisquare(seen).pvalue > 1e-4


def test_a_long_order_has_no_pattern() -> None:
    """Where a number stands says nothing of it, nor of its neighbour, nor of its place in the next turn's order."""
    size = 20_000
    order = Permutation(size, 5, "name")
    first, second = (order(np.arange(size), turn) for turn in (0, 1))
    for left, right in ((np.arange(size), first), (first[:-1], first[1:]), (first, second)):
        cells = np.histogram2d(left, right, bins=10)[0]
        assert stats.chi2_contingency(cells).pvalue > 1e-4
    assert abs(int((first == np.arange(size)).sum()) - 1) < 6  # of a random order, one stays in its place


def test_another_seed_name_or_turn_is_another_order() -> None:
    places = np.arange(50)
    orders = [Permutation(50, 1, "a")(places, turn) for turn in range(3)]
    orders += [Permutation(50, 2, "a")(places), Permutation(50, 1, "b")(places)]
    assert len({tuple(order.tolist()) for order in orders}) == 5
    assert np.array_equal(Permutation(50, 1, "a")(places, 2), orders[2])
