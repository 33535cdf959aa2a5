"""Hashes of texts in files say of texts what sets of them would."""

from __future__ import annotations

import tempfile
from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from full_disk import full_disk
from minbert.errors import UserError
from minbert.files import long_arrays
from minbert.text import hashes as hashes_module
from minbert.text.hashes import HashFile, distinct, numbered, repeated, shared, text_hashes, zeros_for

texts = st.lists(st.sampled_from(["a", "b", "c", "ä", "", "a b"]) | st.text(max_size=2), max_size=30)


def kept(batches: list[list[str]]) -> hashes_module.Hashes:
    file = HashFile()
    for batch in batches:
        file.add(batch)
    return file.sorted()


@settings(max_examples=60)
@given(first=st.lists(texts, max_size=3), second=st.lists(texts, max_size=3), at_once=st.integers(1, 5))
def test_counts_are_those_of_sets(first: list[list[str]], second: list[list[str]], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashes_module, "HASHES_AT_ONCE", at_once)
        ours, others = kept(first), kept(second)
        one, other = list(chain.from_iterable(first)), list(chain.from_iterable(second))
        assert len(ours) == len(one)
        assert distinct(ours) == len(set(one))
        again = [text for text, times in Counter(one).items() if times > 1]
        assert repeated(ours).tolist() == sorted(text_hashes(again)[:, 0].tolist())
        assert zeros_for(ours).tolist() == [0] * len(one)
        assert shared(ours, others) == sum(text in set(other) for text in one)


@settings(max_examples=60)
@given(given_texts=texts, at_once=st.integers(1, 5), halves=st.sampled_from([2, 3, 2**64]))
def test_numbers_go_by_first_appearance_and_tell_texts_apart(given_texts: list[str], at_once: int, halves: int) -> None:
    def with_few_first_halves(some: list[str]) -> hashes_module.Hashes:
        hashes = text_hashes(some).copy()
        hashes[:, 0] %= np.uint64(halves - 1)
        return hashes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_arrays, "VALUES_AT_ONCE", at_once)
        patch.setattr(hashes_module, "text_hashes", with_few_first_halves)
        numbers, comes_first = numbered(iter(given_texts))
    distinct_texts = [text for text, first in zip(given_texts, comes_first, strict=True) if first]
    assert [distinct_texts[number] for number in numbers] == given_texts
    if halves == 2**64:
        assert distinct_texts == list(dict.fromkeys(given_texts))


def test_a_full_disk_is_told_with_what_to_do() -> None:
    file = HashFile()
    with full_disk(1024), pytest.raises(UserError, match=f"^{tempfile.gettempdir()}: hashes of texts .* TMPDIR"):
        file.add(map(str, range(10_000)))
        file.sorted()
