"""From rows of the token table to packed batches: special tokens added, long texts cut, nothing padded.

Everything here is a handful of array operations a batch; no Python loop runs over tokens or sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from minbert.packed import PackedBatch
from minbert.text.token_table import TokenTable

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids of the special tokens that every sequence has."""

    classification: int
    """[CLS], the first token of a sequence."""
    separator: int
    """[SEP], after each text of a sequence."""


def pack_single(table: TokenTable, rows: Integers, special: SpecialTokens, max_length: int) -> PackedBatch:
    """Pack each text as ``[CLS] text [SEP]``, in the order of ``rows`` (N,).

    A text too long for ``max_length`` tokens (special ones counted) loses its end.

    Raises:
        ValueError: ``max_length`` has no room for the special tokens.
    """
    kept = np.minimum(_text_lengths(table, rows), _room(max_length, texts=1))
    return _pack(table, rows[:, None], kept[:, None], special)


def pack_joined(
    table: TokenTable, first: Integers, second: Integers, special: SpecialTokens, max_length: int
) -> PackedBatch:
    """Pack each pair as ``[CLS] first [SEP] second [SEP]``; the second text and its [SEP] are segment 1.

    A pair too long for ``max_length`` tokens (special ones counted) loses tokens one by one from the end of the
    longer text, as with ``truncation="longest_first"`` of the transformers library.

    Raises:
        ValueError: ``max_length`` has no room for the special tokens.
    """
    room = _room(max_length, texts=2)
    kept = _longest_first(_text_lengths(table, first), _text_lengths(table, second), room)
    return _pack(table, np.stack([first, second], axis=1), kept, special)


def single_lengths(table: TokenTable, rows: Integers, max_length: int) -> Integers:
    """Return the lengths (N,) that ``pack_single`` would give, without packing."""
    return np.minimum(_text_lengths(table, rows), _room(max_length, texts=1)) + 2


def joined_lengths(table: TokenTable, first: Integers, second: Integers, max_length: int) -> Integers:
    """Return the lengths (N,) that ``pack_joined`` would give, without packing."""
    lengths = _text_lengths(table, first) + _text_lengths(table, second)
    return np.asarray(np.minimum(lengths, _room(max_length, texts=2)) + 3)


def count_truncated_single(table: TokenTable, rows: Integers, max_length: int) -> int:
    """Return how many of the texts ``pack_single`` would cut."""
    return int(np.count_nonzero(_text_lengths(table, rows) > _room(max_length, texts=1)))


def count_truncated_joined(table: TokenTable, first: Integers, second: Integers, max_length: int) -> int:
    """Return how many of the pairs ``pack_joined`` would cut."""
    lengths = _text_lengths(table, first) + _text_lengths(table, second)
    return int(np.count_nonzero(lengths > _room(max_length, texts=2)))


def _text_lengths(table: TokenTable, rows: Integers) -> Integers:
    return table.offsets[rows + 1] - table.offsets[rows]


def _room(max_length: int, texts: int) -> int:
    """Return how many tokens of text fit beside the special ones: [CLS], and a [SEP] for each text."""
    room = max_length - 1 - texts
    if room < 0:
        raise ValueError(f"max_length {max_length} has no room for the {texts + 1} special tokens of a sequence")
    return room


def _longest_first(first: Integers, second: Integers, room: int) -> Integers:
    """Return how many tokens (N, 2) each text of a pair keeps when together they may have ``room``.

    Taking tokens one by one from the longer text leaves the shorter one whole, or both with half. Of an odd room,
    transformers' fast tokenizers give the odd token to the longer text, and to the second one if both are as long.
    """
    shorter = np.minimum(np.minimum(first, second), room // 2)
    longer = np.minimum(np.maximum(first, second), room - shorter)
    first_is_longer = first > second
    return np.stack([np.where(first_is_longer, longer, shorter), np.where(first_is_longer, shorter, longer)], axis=1)


def _pack(table: TokenTable, rows: Integers, kept: Integers, special: SpecialTokens) -> PackedBatch:
    """Pack ``N`` sequences of ``k`` texts: ``rows`` (N, k) of the table, of each the first ``kept`` (N, k) tokens."""
    sequences, texts = rows.shape
    spans = kept + 1  # a text and its [SEP]
    spans[:, 0] += 1  # [CLS] before the first
    lengths = spans.sum(axis=1)
    offsets = np.concatenate([[0], lengths.cumsum()])
    starts, total = offsets[:-1], offsets[-1]
    separators = starts[:, None] + spans.cumsum(axis=1) - 1

    token_ids = np.empty(total, np.int64)
    is_text = np.ones(total, np.bool_)
    is_text[starts] = False
    is_text[separators] = False
    token_ids[starts] = special.classification
    token_ids[separators] = special.separator
    token_ids[is_text] = table.token_ids[_ranges(table.offsets[rows].ravel(), kept.ravel())]
    segment_ids = np.repeat(np.tile(np.arange(texts), sequences), spans.ravel())
    return PackedBatch(
        torch.from_numpy(token_ids),
        torch.from_numpy(segment_ids),
        torch.from_numpy(_ranges(np.zeros_like(lengths), lengths)),
        torch.from_numpy(offsets),
    )


def _ranges(starts: Integers, lengths: Integers) -> Integers:
    """Return ``starts[i], starts[i] + 1, ...`` (``lengths[i]`` of them) for each ``i``, end to end."""
    before = lengths.cumsum() - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
