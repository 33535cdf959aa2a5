"""What a pretraining run reads: the tokens of its training texts, wherever they are, and the held-out texts, hidden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from minbert.packed import PackedBatch, concatenate
from minbert.randomness import Numbers
from minbert.text.masking import Maskable, MaskedBatch
from minbert.text.packing import count_truncated_single, pack_single, single_lengths
from minbert.text.template import Template
from minbert.text.token_table import TokenTable

ROWS_AT_ONCE = 2**18
"""Texts of a mapped table that are looked at in one go, where all are."""

TOKENS_AT_ONCE = 2**20


@dataclass(frozen=True, slots=True)
class TrainingTexts:
    """The training texts of all corpora, numbered through their tables, one table after the other."""

    tables: Sequence[TokenTable]
    template: Template
    max_length: int

    def __len__(self) -> int:
        return sum(map(len, self.tables))

    def lengths(self, numbers: Numbers) -> Numbers:
        """Return how many tokens each of these texts has when packed."""
        lengths = np.empty(len(numbers), np.int64)
        for table, places, rows in self._found(numbers):
            lengths[places] = single_lengths(table, rows, self.template, self.max_length)
        return lengths

    def pack(self, numbers: Numbers) -> PackedBatch:
        """Return these texts packed: those of a table in the given order, and one table's after the other's."""
        return concatenate(
            [pack_single(table, rows, self.template, self.max_length) for table, _, rows in self._found(numbers)]
        )

    def truncated(self) -> int:
        """Return how many of the texts are cut to ``max_length`` tokens."""
        return sum(
            count_truncated_single(table, np.arange(start, stop), self.template, self.max_length)
            for table in self.tables
            for start, stop in _parts(len(table), ROWS_AT_ONCE)
        )

    def token_counts(self, vocabulary: int) -> NDArray[np.int64]:
        """Return how often the texts have each token of the vocabulary, ends that are cut included."""
        counts = np.zeros(vocabulary, np.int64)
        for table in self.tables:
            for start, stop in _parts(len(table.token_ids), TOKENS_AT_ONCE):
                counts += np.bincount(table.token_ids[start:stop], minlength=vocabulary)
        return counts

    def _found(self, numbers: Numbers) -> Iterator[tuple[TokenTable, Numbers, Numbers]]:
        """Yield each table that has some of these texts, their places among ``numbers``, and their rows in it."""
        ends = list(accumulate(map(len, self.tables)))
        tables = np.searchsorted(ends, numbers, side="right")
        for index, (table, end) in enumerate(zip(self.tables, ends, strict=True)):
            if len(places := np.flatnonzero(tables == index)):
                yield table, places, numbers[places] - (end - len(table))


def _parts(total: int, size: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + size, total)) for start in range(0, total, size))


@dataclass(frozen=True, slots=True)
class PretrainingTexts:
    """What a pretraining run reads."""

    train: TrainingTexts
    held_out: dict[str, MaskedBatch]
    """Each corpus's held-out texts, hidden once and for all, so that scores compare."""
    vocabulary: Maskable
