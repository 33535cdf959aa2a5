"""What the encoder must read for a task's rows: each distinct sequence once, and which rows need it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from minbert.files.long_arrays import parts, sorted_distinct, spooled
from minbert.packed import PackedBatch, concatenate
from minbert.tasks.heads import Pair
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

Indices = NDArray[np.int64]

_ENDLESS = 2**40

ALONE = -1
"""In the place of a second text: the sequence is a text by itself."""


def tokens_needed(forms: Iterable[Pair | None], max_length: int) -> int | None:
    """Return how many tokens of a text are needed at most where texts are read in these ways; None: all.

    They tell whether the text is cut to ``max_length``. Of two texts that are joined, the longer one loses its end, so
    it must be known which that is.
    """
    return max_length if all(pair in (None, "bi") for pair in forms) else None


@dataclass(frozen=True, slots=True)
class Sequences:
    """The ``S`` distinct sequences behind a task's ``R`` rows.

    A single text or a ``bi`` pair is read text by text, a ``cross`` or ``joint`` pair as one joined sequence, and
    ``both`` in both ways: then texts by themselves come before joined ones.
    """

    table: TokenTable
    first: Indices
    """(S,) the table's row of each sequence's (first) text."""
    second: Indices | None
    """(S,) the table's row of its second text, or ``ALONE``; None where all sequences are single texts."""
    rows: Indices
    """(R, 1), or (R, 2) for ``bi`` pairs, or (R, 3) for ``both``: the sequences of each row."""
    template: Template
    max_length: int

    @classmethod
    def of_rows(
        cls,
        table: TokenTable,
        first: Indices,
        second: Indices | None,
        pair: Pair | None,
        template: Template,
        max_length: int,
    ) -> Sequences:
        """Return the sequences of rows whose texts are the table's rows ``first`` and ``second``, each (R,)."""
        texts = [first] if second is None else [first, second]
        alone = sorted_distinct(texts, np.int64)
        of_texts = [_places(alone, column) for column in texts]
        if second is None or pair == "bi":
            return cls(table, alone, None, _side_by_side(of_texts), template, max_length)
        numbers = spooled((first[part] * len(table) + second[part] for part in parts(len(first))), np.int64)
        pairs = sorted_distinct([numbers], np.int64)
        firsts = (pairs[part] // len(table) for part in parts(len(pairs)))
        seconds = (pairs[part] % len(table) for part in parts(len(pairs)))
        if pair != "both":
            joined = spooled(firsts, np.int64), spooled(seconds, np.int64)
            return cls(table, *joined, _side_by_side([_places(pairs, numbers)]), template, max_length)
        of_pairs = (len(alone) + places for places in _places(pairs, numbers))
        return cls(
            table,
            spooled(chain([alone], firsts), np.int64),
            spooled(chain([np.full_like(alone, ALONE)], seconds), np.int64),
            _side_by_side([*of_texts, of_pairs]),
            template,
            max_length,
        )

    def chosen(self, rows: Indices) -> Sequences:
        """Return the sequences behind some of the rows alone."""
        numbers, inverse = np.unique(self.rows[rows], return_inverse=True)
        second = None if self.second is None else self.second[numbers]
        return replace(self, first=self.first[numbers], second=second, rows=inverse.reshape(len(rows), -1))

    def __len__(self) -> int:
        """Return S."""
        return len(self.first)

    def lengths(self) -> Indices:
        """Return how many tokens each sequence has when packed, (S,)."""
        return spooled(map(self._lengths, parts(len(self))), np.int64)

    def _lengths(self, numbers: slice) -> Indices:
        alone, first, second = self._parted(numbers)
        single = single_lengths(self.table, alone, self.template, self.max_length)
        return np.concatenate([single, joined_lengths(self.table, first, second, self.template, self.max_length)])

    def whole_lengths(self) -> Indices:
        """Return how many tokens each sequence has if nothing is cut, (S,); its table must have whole texts."""
        return replace(self, max_length=_ENDLESS).lengths()

    def row_lengths(self) -> Indices:
        """Return how many tokens the encoder reads for each row, (R,)."""
        lengths = self.lengths()
        return spooled((lengths[self.rows[part]].sum(axis=1) for part in parts(len(self.rows))), np.int64)

    def pack(self, numbers: Indices) -> PackedBatch:
        """Return the chosen sequences, packed in the given order, but for joined ones after texts by themselves."""
        alone, first, second = self._parted(numbers)
        packs = []
        if len(alone):
            packs.append(pack_single(self.table, alone, self.template, self.max_length))
        if len(first):
            packs.append(pack_joined(self.table, first, second, self.template, self.max_length))
        return concatenate(packs)

    def of(self, rows: Indices) -> Indices:
        """Return the sequences of the given rows in the order heads expect: all first texts, then all second texts."""
        return self.rows[rows].T.reshape(-1)

    def truncated(self) -> int:
        """Return how many of the sequences are cut to ``max_length`` tokens."""
        return sum(map(self._truncated, parts(len(self))))

    def _truncated(self, numbers: slice) -> int:
        alone, first, second = self._parted(numbers)
        single = count_truncated_single(self.table, alone, self.template, self.max_length)
        return single + count_truncated_joined(self.table, first, second, self.template, self.max_length)

    def _parted(self, numbers: Indices | slice) -> tuple[Indices, Indices, Indices]:
        """Return the table's rows of chosen texts by themselves, and of the first and second texts of joined ones."""
        first = self.first[numbers]
        if self.second is None:
            return first, first[:0], first[:0]
        second = self.second[numbers]
        alone = second == ALONE
        return first[alone], first[~alone], second[~alone]


def _places(distinct: Indices, values: Indices) -> Iterator[Indices]:
    """Yield the place of each of ``values`` in ``distinct``, which has all of them in order."""
    return (np.searchsorted(distinct, values[part]) for part in parts(len(values)))


def _side_by_side(columns: Sequence[Iterable[Indices]]) -> Indices:
    """Return columns (R,) that come in pieces as (R, columns)."""
    return spooled(chain.from_iterable(columns), np.int64).reshape(len(columns), -1).T
