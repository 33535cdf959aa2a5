"""The token table: the tokens of every distinct text, in two flat arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, compress

import numpy as np
from numpy.typing import NDArray

from minbert.files.spool import Spool
from minbert.text.batches import batches
from minbert.text.hashes import numbered
from minbert.text.tokenizer import Tokenizer

TEXTS_AT_ONCE = 1024
"""Texts tokenized in one call: enough for all cores, and few token lists alive as Python objects."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenTable:
    """The token ids of ``n`` distinct texts end to end, without special tokens.

    Four bytes a token and eight a text: a million sentences of twenty tokens take 90 MB. The arrays are in memory, or
    mapped files.
    """

    token_ids: NDArray[np.int32]
    """(total,) the tokens of all texts."""
    offsets: NDArray[np.int64]
    """(n+1,) text ``i`` is tokens ``offsets[i]`` to ``offsets[i+1]``."""

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        tokenizer: Tokenizer,
        most: int | None = None,
    ) -> tuple[TokenTable, NDArray[np.int64]]:
        """Return the table of the distinct ``texts``, and for each text given its row in the table.

        However often a text comes, it is tokenized once. Rows are numbered in the order of first appearance. Of a text
        with more than ``most`` tokens the table has the first ``most``.
        """
        row_of: dict[str, int] = {}
        rows = np.fromiter((row_of.setdefault(text, len(row_of)) for text in texts), np.int64)
        distinct = list(row_of)
        token_ids = [np.empty(0, np.int32)]
        lengths = [np.empty(0, np.int64)]
        for start in range(0, len(distinct), TEXTS_AT_ONCE):
            ids = tokenizer.token_ids(distinct[start : start + TEXTS_AT_ONCE], most)
            token_ids.append(np.fromiter(chain.from_iterable(ids), np.int32))
            lengths.append(np.fromiter(map(len, ids), np.int64))
        offsets = np.concatenate([[0], np.concatenate(lengths).cumsum()])
        return cls(np.concatenate(token_ids), offsets), rows

    @classmethod
    def from_columns(
        cls,
        columns: Sequence[Iterable[str]],
        tokenizer: Tokenizer,
        most: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[TokenTable, NDArray[np.int64]]:
        """Return what ``from_texts`` does of the columns' texts, one column after the other.

        Each column is read twice, and neither its texts nor their tokens are held in memory: many tokens go to a file
        without a name, which is mapped. ``progress`` is called with the number of distinct texts done so far and their
        total.
        """
        rows, comes_first = numbered(chain.from_iterable(columns))
        total = int(comes_first.sum())
        distinct = compress(chain.from_iterable(columns), comes_first)
        token_ids, offsets = Spool(np.int32), Spool(np.int64)
        offsets.write(np.zeros(1, np.int64))
        end = done = 0
        for texts in batches(distinct, TEXTS_AT_ONCE):
            ids = tokenizer.token_ids(texts, most)
            token_ids.write(np.fromiter(chain.from_iterable(ids), np.int32))
            ends = end + np.fromiter(map(len, ids), np.int64).cumsum()
            offsets.write(ends)
            end, done = int(ends[-1]), done + len(ids)
            if progress is not None:
                progress(done, total)
        return cls(token_ids.array(), offsets.array()), rows

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) the number of tokens of each text."""
        return np.diff(self.offsets)
