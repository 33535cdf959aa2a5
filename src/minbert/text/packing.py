"""From rows of the token table to packed batches: special tokens added, long texts cut, nothing padded.

Everything here is a handful of array operations a batch; no Python loop runs over tokens or sequences.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from minbert.packed import PackedBatch
from minbert.text.template import Template
from minbert.text.token_table import TokenTable

Integers = NDArray[np.int64]


def pack_single(table: TokenTable, rows: Integers, template: Template, max_length: int) -> PackedBatch:
    """Pack each text as a sequence of its own, in the order of ``rows`` (N,).

    A text too long for ``max_length`` tokens (special ones counted) loses its end.

    Raises:
        ValueError: ``max_length`` has no room for the special tokens.
    """
    kept = np.minimum(_text_lengths(table, rows), _room(template, max_length, texts=1))
    return _pack(table, rows[:, None], kept[:, None], template)


def pack_joined(
    table: TokenTable, first: Integers, second: Integers, template: Template, max_length: int
) -> PackedBatch:
    """Pack each pair as one sequence; the second text and what follows it are segment 1, all before it segment 0.

    A pair too long for ``max_length`` tokens (special ones counted) loses tokens one by one from the end of the
    longer text, as with ``truncation="longest_first"`` of the transformers library.

    Raises:
        ValueError: ``max_length`` has no room for the special tokens.
    """
    room = _room(template, max_length, texts=2)
    kept = _longest_first(_text_lengths(table, first), _text_lengths(table, second), room)
    return _pack(table, np.stack([first, second], axis=1), kept, template)


def single_lengths(table: TokenTable, rows: Integers, template: Template, max_length: int) -> Integers:
    """Return the lengths (N,) that ``pack_single`` would give, without packing."""
    return np.minimum(_text_lengths(table, rows), _room(template, max_length, texts=1)) + template.tokens(1)


def joined_lengths(
    table: TokenTable, first: Integers, second: Integers, template: Template, max_length: int
) -> Integers:
    """Return the lengths (N,) that ``pack_joined`` would give, without packing."""
    lengths = _text_lengths(table, first) + _text_lengths(table, second)
    return np.asarray(np.minimum(lengths, _room(template, max_length, texts=2)) + template.tokens(2))


def count_truncated_single(table: TokenTable, rows: Integers, template: Template, max_length: int) -> int:
    """Return how many of the texts ``pack_single`` would cut."""
    return int(np.count_nonzero(_text_lengths(table, rows) > _room(template, max_length, texts=1)))


def count_truncated_joined(
    table: TokenTable, first: Integers, second: Integers, template: Template, max_length: int
) -> int:
    """Return how many of the pairs ``pack_joined`` would cut."""
    lengths = _text_lengths(table, first) + _text_lengths(table, second)
    return int(np.count_nonzero(lengths > _room(template, max_length, texts=2)))


def _text_lengths(table: TokenTable, rows: Integers) -> Integers:
    return table.offsets[rows + 1] - table.offsets[rows]


def _room(template: Template, max_length: int, texts: int) -> int:
    """Return how many tokens of so many texts fit into a sequence beside the special ones."""
    special = template.tokens(texts)
    if max_length < special:
        raise ValueError(f"max_length {max_length} has no room for the {special} special tokens of a sequence")
    return max_length - special


def _longest_first(first: Integers, second: Integers, room: int) -> Integers:
    """Return how many tokens (N, 2) each text of a pair keeps when together they may have ``room``.

    Taking tokens one by one from the longer text leaves the shorter one whole, or both with half. Of an odd room,
    transformers' fast tokenizers give the odd token to the longer text, and to the second one if both are as long.
    """
    shorter = np.minimum(np.minimum(first, second), room // 2)
    longer = np.minimum(np.maximum(first, second), room - shorter)
    first_is_longer = first > second
    return np.stack([np.where(first_is_longer, longer, shorter), np.where(first_is_longer, shorter, longer)], axis=1)


def _pack(table: TokenTable, rows: Integers, kept: Integers, template: Template) -> PackedBatch:
    """Pack ``N`` sequences of ``k`` texts: ``rows`` (N, k) of the table, of each the first ``kept`` (N, k) tokens."""
    sequences, texts = rows.shape
    behind = [template.between] * (texts - 1) + [template.end]  # what follows each text
    spans = kept + np.array([len(tokens) for tokens in behind])
    spans[:, 0] += len(template.start)
    lengths = spans.sum(axis=1)
    offsets = np.concatenate([[0], lengths.cumsum()])
    starts, total = offsets[:-1], offsets[-1]
    stops = starts[:, None] + spans.cumsum(axis=1)

    token_ids = np.empty(total, np.int64)
    is_text = np.ones(total, np.bool_)
    for firsts, tokens in [
        (starts, template.start),
        *((stops[:, text] - len(tokens), tokens) for text, tokens in enumerate(behind)),
    ]:
        for place, token in enumerate(tokens):
            token_ids[firsts + place] = token
            is_text[firsts + place] = False
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
