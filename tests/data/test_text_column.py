"""A column of texts is the list of them, in memory or in a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minbert.data import text_column
from minbert.data.text_column import ColumnWriter, TextColumn
from minbert.files import spool
from minbert.files.spool import Spool


@given(st.lists(st.text(max_size=5), max_size=12), st.sampled_from([1, 3, 2048]), st.sampled_from([1, 20, 10**6]))
def test_it_is_the_list_of_its_texts(texts: list[str], at_once: int, in_memory: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_column, "TEXTS_AT_ONCE", at_once)
        patch.setattr(spool, "IN_MEMORY", in_memory)
        writer = ColumnWriter()
        writer.extend(texts[:4])
        writer.extend(texts[4:])
        column = writer.column()
        assert (len(column), bool(column)) == (len(texts), bool(texts))
        assert [*column] == [*column] == texts
        assert [column[n] for n in range(-len(texts), len(texts))] == texts * 2
        assert column == texts and texts == column and column == TextColumn.of(texts)
        assert [*column[1:3]] == texts[1:3]
        assert column != [*texts, "more"] and (not texts or column != ["other", *texts[1:]])
        with pytest.raises(IndexError):
            column[len(texts)]


def test_many_values_are_in_a_file_and_few_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 80)
    few, many = Spool(np.int64), Spool(np.int64)
    for number in range(25):
        if number < 9:
            few.write(np.array([number]))
        many.write(np.array([number]))
    assert few.array().tolist() == [*range(9)] and many.array().tolist() == [*range(25)]
    assert not isinstance(few.array().base, np.memmap)
    many = Spool(np.int64)
    many.write(np.arange(25))
    assert isinstance(many.array().base, np.memmap)
