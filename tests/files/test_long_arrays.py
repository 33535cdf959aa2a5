"""Long arrays are what numpy makes of them, whatever the parts they are looked at in, in memory or in a file."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minbert.files import long_arrays, spool
from minbert.files.long_arrays import parts, shuffled, sorted_distinct, spooled, zeros


@given(
    values=st.lists(st.lists(st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1), max_size=9), max_size=4),
    at_once=st.integers(1, 7),
    in_memory=st.sampled_from([1, 24, 10**6]),
)
def test_they_are_what_numpy_makes(values: list[list[int]], at_once: int, in_memory: int) -> None:
    arrays = [np.array(some, np.int64) for some in values]
    whole = np.concatenate([np.empty(0, np.int64), *arrays])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_arrays, "VALUES_AT_ONCE", at_once)
        patch.setattr(spool, "IN_MEMORY", in_memory)
        cut = [whole[part] for part in parts(len(whole))]
        for found, expected in (
            (spooled(arrays, np.int64), whole),
            (spooled(cut, np.int64), whole),
            (sorted_distinct(arrays, np.int64), np.unique(whole)),
            (zeros(len(whole), np.int64), np.zeros_like(whole)),
            (shuffled(len(whole), np.random.default_rng(5)), np.random.default_rng(5).permutation(len(whole))),
        ):
            assert found.tolist() == expected.tolist() and found.dtype == expected.dtype
            found[:] = 7  # may be written to


@given(total=st.integers(0, 30), size=st.none() | st.integers(1, 7))
def test_parts_lie_end_to_end(total: int, size: int | None) -> None:
    found = [*parts(total, size)]
    assert [number for part in found for number in range(total)[part]] == [*range(total)]
    assert all(part.stop - part.start == (size or long_arrays.VALUES_AT_ONCE) for part, _ in pairwise(found))


def test_long_ones_are_mapped_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 80)
    for array in (shuffled(11, np.random.default_rng(1)), sorted_distinct([np.arange(11)], np.int64)):
        assert isinstance(array.base, np.memmap)
    assert not isinstance(zeros(9, np.int64).base, np.memmap)
