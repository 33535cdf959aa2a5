"""Packed batches hold what transformers would make of the same texts, without the padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minbert.packed import PackedBatch
from minbert.text.packing import (
    count_truncated_joined,
    count_truncated_single,
    joined_lengths,
    pack_joined,
    pack_single,
    single_lengths,
)
from minbert.text.template import Template
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer

WORD_LISTS = st.lists(st.sampled_from(["a", "b", "cat", "unable", "sat,", "É"]), max_size=8)
TEXTS = WORD_LISTS.map(" ".join)


def _template(tokenizer: Tokenizer) -> Template:
    return Template((tokenizer.classification_id,), (tokenizer.separator_id,), (tokenizer.separator_id,))


def _sequences(batch: PackedBatch) -> list[tuple[list[int], list[int]]]:
    """Return token ids and segment ids of each sequence, having checked what every batch must be."""
    lengths = batch.lengths.tolist()
    assert batch.offsets[0] == 0 and batch.offsets[-1] == len(batch.token_ids)
    assert batch.positions.tolist() == [position for length in lengths for position in range(length)]
    for tensor in (batch.token_ids, batch.segment_ids, batch.positions, batch.offsets):
        assert tensor.dtype == torch.int64
    ids, segments = batch.token_ids.split(lengths), batch.segment_ids.split(lengths)
    return [(i.tolist(), s.tolist()) for i, s in zip(ids, segments, strict=True)]


@given(texts=st.lists(TEXTS, max_size=5), max_length=st.integers(2, 12))
@settings(max_examples=150, deadline=None)
def test_single_texts_like_transformers(
    texts: list[str], max_length: int, tokenizer: Tokenizer, reference: Any
) -> None:
    expected = [reference(text, truncation=True, max_length=max_length) for text in texts]
    whole = [len(reference(text)["input_ids"]) for text in texts]
    template = _template(tokenizer)
    table, rows = TokenTable.from_texts(texts, tokenizer)
    batch = pack_single(table, rows, template, max_length)
    assert _sequences(batch) == [(item["input_ids"], item["token_type_ids"]) for item in expected]
    assert single_lengths(table, rows, template, max_length).tolist() == batch.lengths.tolist()
    assert count_truncated_single(table, rows, template, max_length) == sum(length > max_length for length in whole)


@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), max_size=5), max_length=st.integers(3, 20))
@settings(max_examples=300, deadline=None)
def test_joined_texts_like_transformers(
    pairs: list[tuple[str, str]], max_length: int, tokenizer: Tokenizer, reference: Any
) -> None:
    # Given by itself, a pair whose second text is empty is taken for a single text; in a list it stays a pair.
    first, second = [[pair[0]] for pair in pairs], [[pair[1]] for pair in pairs]
    expected = [
        reference(*texts, truncation="longest_first", max_length=max_length)
        for texts in zip(first, second, strict=True)
    ]
    whole = [len(reference(*texts)["input_ids"][0]) for texts in zip(first, second, strict=True)]
    template = _template(tokenizer)
    table, rows = TokenTable.from_texts([text for pair in pairs for text in pair], tokenizer)
    batch = pack_joined(table, rows[::2], rows[1::2], template, max_length)
    assert _sequences(batch) == [(item["input_ids"][0], item["token_type_ids"][0]) for item in expected]
    assert joined_lengths(table, rows[::2], rows[1::2], template, max_length).tolist() == batch.lengths.tolist()
    assert count_truncated_joined(table, rows[::2], rows[1::2], template, max_length) == sum(
        length > max_length for length in whole
    )


def test_every_pair_of_lengths_is_cut_like_transformers(tokenizer: Tokenizer, reference: Any) -> None:
    """All ways two lengths can stand to each other and to the room, ties and odd rooms among them."""
    texts = [" ".join("a" * length) for length in range(9)]
    template = _template(tokenizer)
    table, rows = TokenTable.from_texts(texts, tokenizer)
    first, second = (grid.ravel() for grid in np.meshgrid(rows, rows, indexing="ij"))
    for max_length in range(3, 20):
        batch = pack_joined(table, first, second, template, max_length)
        expected = reference(
            [texts[i] for i in first], [texts[i] for i in second], truncation="longest_first", max_length=max_length
        )
        assert _sequences(batch) == list(zip(expected["input_ids"], expected["token_type_ids"], strict=True))


def test_real_vocabulary(minilm_folder: Path) -> None:
    from transformers import BertTokenizerFast

    ours, theirs = Tokenizer.from_files(minilm_folder), BertTokenizerFast.from_pretrained(minilm_folder)
    first = ["How do I learn to code?", "", "Is it unbelievable? " * 60]
    second = ["What is the best way of learning programming?", "Nothing.", "It is: antidisestablishmentarianism! " * 9]
    table, rows = TokenTable.from_texts([*first, *second], ours)
    batch = pack_joined(table, rows[:3], rows[3:], _template(ours), 128)
    expected = theirs(first, second, truncation="longest_first", max_length=128)
    assert _sequences(batch) == list(zip(expected["input_ids"], expected["token_type_ids"], strict=True))


def test_empty_text_and_no_texts(tokenizer: Tokenizer) -> None:
    table, rows = TokenTable.from_texts([""], tokenizer)
    special = _template(tokenizer)
    cls, sep = tokenizer.classification_id, tokenizer.separator_id
    assert pack_single(table, rows, special, 8).token_ids.tolist() == [cls, sep]
    assert pack_joined(table, rows, rows, special, 8).token_ids.tolist() == [cls, sep, sep]
    assert pack_joined(table, rows, rows, special, 8).segment_ids.tolist() == [0, 0, 1]
    assert pack_single(table, rows[:0], special, 8).offsets.tolist() == [0]


def test_no_room_for_special_tokens_is_refused(tokenizer: Tokenizer) -> None:
    template = _template(tokenizer)
    table, rows = TokenTable.from_texts(["a"], tokenizer)
    for refused in (
        lambda: pack_single(table, rows, template, 1),
        lambda: pack_joined(table, rows, rows, template, 2),
        lambda: single_lengths(table, rows, template, 1),
        lambda: joined_lengths(table, rows, rows, template, 2),
    ):
        with pytest.raises(ValueError, match=r"no room for the [23] special tokens"):
            refused()


def test_a_template_may_have_several_tokens_in_a_place() -> None:
    """As RoBERTa joins texts: ``<s> A </s></s> B </s>``."""
    table = TokenTable(np.arange(10, 15, dtype=np.int32), np.array([0, 2, 5]))
    template = Template((0,), (2, 2), (2,))
    rows = np.array([0, 1])
    assert pack_single(table, rows, template, 9).token_ids.tolist() == [0, 10, 11, 2, 0, 12, 13, 14, 2]
    joined = pack_joined(table, rows[:1], rows[1:], template, 9)
    assert joined.token_ids.tolist() == [0, 10, 11, 2, 2, 12, 13, 14, 2]
    assert joined.segment_ids.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert pack_joined(table, rows[:1], rows[1:], template, 7).token_ids.tolist() == [0, 10, 2, 2, 12, 13, 2]
    assert joined_lengths(table, rows[:1], rows[1:], template, 7).tolist() == [7]
    assert template.ids == (0, 2)
