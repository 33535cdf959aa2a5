"""What is counted some rows at a time is what numpy says of all of them."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minbert.data.tally import LengthCounts, ScoreSums


@given(st.lists(st.lists(st.integers(0, 12), max_size=40), max_size=4), st.integers(0, 12))
def test_lengths(parts: list[list[int]], limit: int) -> None:
    counts = LengthCounts()
    for part in parts:
        counts.add(part)
    every = np.array(list(chain.from_iterable(parts)), np.int64)
    assert counts.above(limit) == (every > limit).sum()
    found = counts.lengths()
    if not len(every):
        assert found is None
        return
    assert found is not None
    assert (found.minimum, found.median, found.maximum) == (every.min(), np.median(every), every.max())
    in_order = np.sort(every)
    enough = [length for length in in_order if 100 * (every <= length).sum() >= 95 * len(every)]
    assert found.percentile_95 == enough[0]


@given(st.lists(st.lists(st.floats(-5, 5), max_size=20), max_size=4))
def test_scores(parts: list[list[float]]) -> None:
    sums = ScoreSums()
    for part in parts:
        sums.add(np.array(part))
    every = np.array(list(chain.from_iterable(parts)))
    found = sums.scores()
    if not len(every):
        assert found is None
        return
    assert found is not None
    assert (found.mean, found.deviation) == pytest.approx((every.mean(), every.std()), abs=1e-6)
    assert (found.minimum, found.maximum) == (every.min(), every.max())
