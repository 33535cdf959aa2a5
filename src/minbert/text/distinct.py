"""The distinct ones of any number of texts, in the order of their first appearance, in little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from minbert.text.batches import batches
from minbert.text.hashes import HashFile, distinct, repeated, text_hashes, zeros_for

TEXTS_AT_ONCE = 4096


class DistinctTexts:
    """The distinct ones of texts that can be read twice, and how many they are.

    The first reading keeps 8 bytes of hash a text, in a file that is sorted in place: equal neighbours are texts that
    come more than once. The second reading yields each of those where it first comes, and all others. Arrays are
    mapped files, so memory does not grow with the texts. Texts are compared by 128 bits of BLAKE2b.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[str]],
        scratch: Path,
        advance: Callable[[int], None] = lambda done: None,  # noqa: ARG005
    ) -> None:
        """Read all texts once; ``scratch`` is a folder for files without names.

        ``advance`` is called with the number of texts just read.
        """
        self._read, self._scratch = read, scratch
        hashes = HashFile(scratch)
        for texts in batches(read(), TEXTS_AT_ONCE):
            hashes.add(texts)
            advance(len(texts))
        in_order = hashes.sorted()
        self._count = distinct(in_order)
        self._repeated = repeated(in_order, scratch)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        """Yield the texts, which are read once more."""
        if not len(self._repeated):
            yield from self._read()
            return
        # Of each such text the other half of its hash, once it has come: it tells apart texts that share the first.
        seen = zeros_for(self._repeated, self._scratch)
        for texts in batches(self._read(), TEXTS_AT_ONCE):
            hashes = text_hashes(texts)
            places = np.minimum(np.searchsorted(self._repeated, hashes[:, 0]), len(self._repeated) - 1)
            comes_again = self._repeated[places] == hashes[:, 0]
            for text, again, place, rest in zip(texts, comes_again, places, hashes[:, 1], strict=True):
                if again:
                    if seen[place] == rest:
                        continue
                    seen[place] = rest
                yield text
