"""The token table holds every distinct text once, and says where each given text went."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minbert.files import spool
from minbert.text import token_table
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer


@given(texts=st.lists(st.sampled_from(["a", "the cat", "", "unable", "b c", "A", "sat sat sat"]), max_size=20))
@settings(max_examples=100, deadline=None)
def test_rows_lead_to_the_tokens_of_each_text(texts: list[str], tokenizer: Tokenizer) -> None:
    table, rows = TokenTable.from_texts(iter(texts), tokenizer)
    found = [table.token_ids[table.offsets[row] : table.offsets[row + 1]].tolist() for row in rows]
    assert found == tokenizer.token_ids(texts)
    assert len(table) == len(set(texts))
    assert table.lengths.tolist() == [len(ids) for ids in tokenizer.token_ids(list(dict.fromkeys(texts)))]
    assert (table.token_ids.dtype, table.offsets.dtype, rows.dtype) == (np.int32, np.int64, np.int64)


@given(columns=st.lists(st.lists(st.sampled_from(["a", "the cat", "", "unable", "b c", "A"]), max_size=8), max_size=4))
@settings(max_examples=60, deadline=None)
def test_columns_have_the_table_of_their_texts(columns: list[list[str]], tokenizer: Tokenizer) -> None:
    table, rows = TokenTable.from_columns(columns, tokenizer)
    expected, expected_rows = TokenTable.from_texts([text for column in columns for text in column], tokenizer)
    assert np.array_equal(rows, expected_rows) and rows.dtype == np.int64
    for mine, theirs in ((table.token_ids, expected.token_ids), (table.offsets, expected.offsets)):
        assert np.array_equal(mine, theirs) and mine.dtype == theirs.dtype


@pytest.mark.parametrize("most", [1, 2, 7])
def test_texts_are_cut_to_what_is_needed(most: int, tokenizer: Tokenizer) -> None:
    texts = ["the cat sat", "a", "", "the cat " * 40]
    whole = tokenizer.token_ids(texts)
    for table, _ in (TokenTable.from_texts(texts, tokenizer, most), TokenTable.from_columns([texts], tokenizer, most)):
        assert [ids.tolist() for ids in np.split(table.token_ids, table.offsets[1:-1])] == [ids[:most] for ids in whole]


def test_columns_of_many_tokens_are_mapped_files(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 16)
    columns = [["the cat", "sat sat", "a"] * 20, [f"b {n}" for n in range(30)]]
    table, rows = TokenTable.from_columns(columns, tokenizer)
    expected, expected_rows = TokenTable.from_texts(columns[0] + columns[1], tokenizer)
    assert np.array_equal(table.token_ids, expected.token_ids) and np.array_equal(table.offsets, expected.offsets)
    assert np.array_equal(rows, expected_rows)
    assert isinstance(table.token_ids.base, np.memmap)


def test_each_text_is_tokenized_once_whatever_the_chunks(
    vocabulary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_table, "TEXTS_AT_ONCE", 2)
    tokenizer = Tokenizer.from_files(vocabulary_folder)
    calls: list[tuple[int, int]] = []
    texts = ["a", "b", "a", "c", "the cat", "b", "sat"]
    TokenTable.from_texts(texts, tokenizer)
    assert tokenizer.texts_tokenized == 5
    table, rows = TokenTable.from_columns([texts], tokenizer, progress=lambda *counts: calls.append(counts))
    assert tokenizer.texts_tokenized == 10
    assert rows.tolist() == [0, 1, 0, 2, 3, 1, 4]
    assert table.offsets.tolist() == [0, 1, 2, 3, 5, 6]
    assert calls == [(2, 5), (4, 5), (5, 5)]
