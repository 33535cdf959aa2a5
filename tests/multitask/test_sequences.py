from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from minbert.files import long_arrays, spool
from minbert.multitask.sequences import Sequences
from minbert.packed import concatenate
from minbert.tasks.heads import Pair
from minbert.text.template import Template
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer

TEXTS = ["a good film", "a bad film", "rice", "cold days on a river"]
FIRST = np.array([0, 1, 0, 3, 0])
SECOND = np.array([1, 0, 1, 2, 2])


@pytest.fixture
def table(tiny_encoder: Path) -> tuple[TokenTable, Template]:
    tokenizer = Tokenizer.from_files(tiny_encoder)
    table, rows = TokenTable.from_texts(TEXTS, tokenizer)
    assert rows.tolist() == [0, 1, 2, 3]
    return table, Template((tokenizer.classification_id,), (tokenizer.separator_id,), (tokenizer.separator_id,))


def test_two_sequences_a_pair_share_repeated_texts(table: tuple[TokenTable, Template]) -> None:
    sequences = Sequences.of_rows(table[0], FIRST, SECOND, "bi", table[1], 64)
    assert len(sequences) == 4
    # All first texts, then all second texts.
    assert sequences.first[sequences.of(np.array([3, 1]))].tolist() == [3, 1, 2, 0]
    assert sequences.lengths().tolist() == [5, 5, 3, 7]
    assert sequences.row_lengths().tolist() == [10, 10, 10, 10, 8]


@pytest.mark.parametrize("pair", ["cross", "joint"])
def test_a_joined_pair_is_one_sequence_whose_order_counts(table: tuple[TokenTable, Template], pair: Pair) -> None:
    sequences = Sequences.of_rows(table[0], FIRST, SECOND, pair, table[1], 64)
    assert len(sequences) == 4  # rows 0 and 2 are the same pair, row 1 is another
    numbers = sequences.of(np.arange(5))
    assert sequences.first[numbers].tolist() == FIRST.tolist()
    assert sequences.second is not None
    assert sequences.second[numbers].tolist() == SECOND.tolist()
    assert sequences.row_lengths().tolist() == [9, 9, 9, 9, 7]
    batch = sequences.pack(sequences.of(np.array([4])))
    assert batch.segment_ids.tolist() == [0, 0, 0, 0, 0, 1, 1]


def test_a_pair_read_both_ways_is_two_texts_and_a_joined_one(table: tuple[TokenTable, Template]) -> None:
    def sequences(pair: Pair) -> Sequences:
        return Sequences.of_rows(table[0], FIRST, SECOND, pair, table[1], 9)

    bi, cross, both = sequences("bi"), sequences("cross"), sequences("both")
    assert len(both) == len(bi) + len(cross)
    assert both.rows.tolist() == np.concatenate([bi.rows, len(bi) + cross.rows], axis=1).tolist()
    assert both.lengths().tolist() == [*bi.lengths(), *cross.lengths()]
    assert both.row_lengths().tolist() == (bi.row_lengths() + cross.row_lengths()).tolist()
    assert both.truncated() == bi.truncated() + cross.truncated()
    rows = np.array([3, 1])
    batch = both.pack(both.of(rows))
    expected = concatenate([bi.pack(bi.of(rows)), cross.pack(cross.of(rows))])
    for name in ("token_ids", "segment_ids", "positions", "offsets"):
        assert torch.equal(getattr(batch, name), getattr(expected, name)), name


@pytest.mark.parametrize("pair", ["bi", "cross", "both"])
def test_they_are_the_same_in_parts_and_in_mapped_files(
    table: tuple[TokenTable, Template], monkeypatch: pytest.MonkeyPatch, pair: Pair
) -> None:
    whole = Sequences.of_rows(table[0], FIRST, SECOND, pair, table[1], 6)
    monkeypatch.setattr(long_arrays, "VALUES_AT_ONCE", 2)
    monkeypatch.setattr(spool, "IN_MEMORY", 16)
    parted = Sequences.of_rows(table[0], FIRST, SECOND, pair, table[1], 6)
    assert isinstance(parted.first.base, np.memmap)
    for name in ("first", "second", "rows"):
        assert np.array_equal(getattr(parted, name), getattr(whole, name)), name
    assert parted.lengths().tolist() == whole.lengths().tolist()
    assert parted.row_lengths().tolist() == whole.row_lengths().tolist()
    assert parted.truncated() == whole.truncated() > 0


def test_single_texts(table: tuple[TokenTable, Template]) -> None:
    sequences = Sequences.of_rows(table[0], FIRST, None, None, table[1], 4)
    assert len(sequences) == 3
    assert sequences.row_lengths().tolist() == [4, 4, 4, 4, 4]
    assert sequences.truncated() == 3
    assert sequences.pack(sequences.of(np.array([3]))).lengths.tolist() == [4]
