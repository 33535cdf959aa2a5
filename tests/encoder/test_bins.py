from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from minbert.encoder.attention.filling import SMALLEST_WIDTH, fill_bins

LENGTHS = st.lists(
    st.one_of(st.integers(1, 40), st.integers(1, 600), st.sampled_from([1, 32, 33, 64, 512])), min_size=1, max_size=80
)


@settings(max_examples=200, deadline=None)
@given(LENGTHS)
def test_every_sequence_has_slots_of_its_own_in_one_bin(lengths: list[int]) -> None:
    bins = fill_bins(np.array(lengths))
    taken = np.zeros(bins.slots, dtype=int)
    for length, first in zip(lengths, bins.first_slots.tolist(), strict=True):
        taken[first : first + length] += 1
        group = next(group for group in bins.groups if group.start <= first < group.stop)
        assert (first - group.start) // group.width == (first + length - 1 - group.start) // group.width
    assert taken.max() == 1
    assert taken.sum() == sum(lengths)


@settings(max_examples=200, deadline=None)
@given(LENGTHS)
def test_groups_follow_each_other_and_little_is_empty(lengths: list[int]) -> None:
    bins = fill_bins(np.array(lengths))
    widths = [group.width for group in bins.groups]
    assert widths == sorted(set(widths), reverse=True)
    assert all(width >= SMALLEST_WIDTH and width & (width - 1) == 0 for width in widths)
    assert widths[0] < 2 * max(*lengths, SMALLEST_WIDTH)
    assert [group.start for group in bins.groups] == [0, *(group.stop for group in bins.groups[:-1])]
    assert bins.slots < 2 * sum(lengths) + SMALLEST_WIDTH


def test_batches_of_questions_and_reviews_fill_95_percent() -> None:
    generator = np.random.default_rng(0)
    tokens = slots = 0
    for _ in range(20):
        questions = generator.lognormal(2.7, 0.35, 128)  # Quora and STS: median 15 tokens
        reviews = generator.normal(25, 11, 32)  # SST: mean 25
        lengths = np.concatenate([questions, reviews]).round().clip(4, 80).astype(np.int64)
        tokens += int(lengths.sum())
        slots += fill_bins(lengths).slots
    assert tokens / slots >= 0.95


def test_short_sequences_use_the_room_that_long_ones_leave() -> None:
    bins = fill_bins(np.array([20, 4, 40, 12, 20]))
    assert [(group.bins, group.width) for group in bins.groups] == [(1, 64), (1, 32)]
