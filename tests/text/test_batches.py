"""Batches hold all items in order, and no more than they may."""

from __future__ import annotations

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from minbert.text.batches import batches


@given(st.lists(st.text("a", max_size=9)), st.integers(1, 5), st.integers(1, 20))
def test_batches_are_as_full_as_they_may_be(texts: list[str], most: int, characters: int) -> None:
    made = [*batches(texts, most, characters=characters)]
    assert [*chain.from_iterable(made)] == texts
    for batch in made:
        assert 1 <= len(batch) <= most
        assert sum(map(len, batch[:-1])) < characters
    for batch in made[:-1]:
        assert len(batch) == most or sum(map(len, batch)) >= characters


def test_items_are_as_long_as_is_said_and_taken_when_they_are_needed() -> None:
    numbers = iter(range(1, 10))
    assert next(batches(numbers, 100, lambda number: number, 6)) == [1, 2, 3]
    assert next(numbers) == 4
