"""A table written to files a text at a time is the one made in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minbert.text import token_files
from minbert.text import tokenizer as tokenizers
from minbert.text.token_files import TokenWriter, mapped_table
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer


@pytest.mark.parametrize(("texts", "characters"), [(1, 100), (2, 100), (1000, 4), (1000, 100)])
def test_it_is_the_one_made_in_memory(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: int, characters: int
) -> None:
    monkeypatch.setattr(token_files, "TEXTS_AT_ONCE", texts)
    monkeypatch.setattr(token_files, "CHARACTERS_AT_ONCE", characters)
    given = ["the cat", "", "sat", "unable", "b c"]
    done: list[int] = []
    with TokenWriter(tmp_path / "table", tokenizer, done.append) as writer:
        for text in given:
            writer.add(text)
    table, expected = mapped_table(tmp_path / "table"), TokenTable.from_texts(given, tokenizer)[0]
    assert np.array_equal(table.token_ids, expected.token_ids) and table.token_ids.dtype == np.int32
    assert np.array_equal(table.offsets, expected.offsets) and table.offsets.dtype == np.int64
    assert sum(done) == len(given)


@pytest.mark.parametrize("characters", [1, 20, 10**6])
def test_long_texts_have_the_tokens_of_the_whole(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    given = ["the cat", "sat, a 中文 cat " * 30, "", "unable " * 50, "b c"]
    expected = TokenTable.from_texts(given, tokenizer)[0]
    monkeypatch.setattr(tokenizers, "PIECE", 9)
    monkeypatch.setattr(token_files, "CHARACTERS_AT_ONCE", characters)
    assert max(len([*tokenizer.pieces(text)]) for text in given) > 30
    done: list[int] = []
    with TokenWriter(tmp_path / "table", tokenizer, done.append) as writer:
        for text in given:
            writer.add(text)
    table = mapped_table(tmp_path / "table")
    assert np.array_equal(table.token_ids, expected.token_ids)
    assert np.array_equal(table.offsets, expected.offsets)
    assert sum(done) == len(given)


def test_a_table_of_nothing_has_no_rows(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with TokenWriter(tmp_path / "empty", tokenizer):
        pass
    assert len(mapped_table(tmp_path / "empty")) == 0
    with TokenWriter(tmp_path / "blank", tokenizer) as writer:
        writer.add("")
    assert mapped_table(tmp_path / "blank").lengths.tolist() == [0]
