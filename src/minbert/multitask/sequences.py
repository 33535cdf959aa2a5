"""What the encoder must read for a task's rows: each distinct sequence once, and which rows need it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minbert.packed import PackedBatch
from minbert.tasks.heads import Pair
from minbert.text.packing import (
    SpecialTokens,
    count_truncated_joined,
    count_truncated_single,
    joined_lengths,
    pack_joined,
    pack_single,
    single_lengths,
)
from minbert.text.token_table import TokenTable

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sequences:
    """The ``S`` distinct sequences behind a task's ``R`` rows.

    A single text or a ``bi`` pair is read text by text, any other pair as one joined sequence.
    """

    table: TokenTable
    first: Indices
    """(S,) the table's row of each sequence's (first) text."""
    second: Indices | None
    """(S,) the table's row of its second text; None where sequences are single texts."""
    rows: Indices
    """(R, 1), or (R, 2) for ``bi`` pairs: the sequences of each row."""
    special: SpecialTokens
    max_length: int

    @classmethod
    def of_rows(
        cls,
        table: TokenTable,
        first: Indices,
        second: Indices | None,
        pair: Pair | None,
        special: SpecialTokens,
        max_length: int,
    ) -> Sequences:
        """Return the sequences of rows whose texts are the table's rows ``first`` and ``second``, each (R,)."""
        if second is not None and pair != "bi":
            pairs, inverse = np.unique(np.stack([first, second]), axis=1, return_inverse=True)
            return cls(table, pairs[0], pairs[1], inverse.reshape(-1, 1), special, max_length)
        texts = first[:, None] if second is None else np.stack([first, second], axis=1)
        distinct, inverse = np.unique(texts, return_inverse=True)
        return cls(table, distinct, None, inverse.reshape(texts.shape), special, max_length)

    def __len__(self) -> int:
        """Return S."""
        return len(self.first)

    def lengths(self) -> Indices:
        """Return how many tokens each sequence has when packed, (S,)."""
        if self.second is None:
            return single_lengths(self.table, self.first, self.max_length)
        return joined_lengths(self.table, self.first, self.second, self.max_length)

    def row_lengths(self) -> Indices:
        """Return how many tokens the encoder reads for each row, (R,)."""
        lengths: Indices = self.lengths()[self.rows].sum(axis=1)
        return lengths

    def pack(self, numbers: Indices) -> PackedBatch:
        """Return the chosen sequences, packed in the given order."""
        if self.second is None:
            return pack_single(self.table, self.first[numbers], self.special, self.max_length)
        return pack_joined(self.table, self.first[numbers], self.second[numbers], self.special, self.max_length)

    def of(self, rows: Indices) -> Indices:
        """Return the sequences of the given rows in the order heads expect: all first texts, then all second texts."""
        return self.rows[rows].T.reshape(-1)

    def truncated(self) -> int:
        """Return how many of the sequences are cut to ``max_length`` tokens."""
        if self.second is None:
            return count_truncated_single(self.table, self.first, self.max_length)
        return count_truncated_joined(self.table, self.first, self.second, self.max_length)
