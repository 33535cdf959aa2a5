"""The distinct ones of any number of texts, in the order of their first appearance, in little memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

TEXTS_AT_ONCE = 4096
CHARACTERS_AT_ONCE = 2**20
"""Texts that are held at a time: so many, or so many characters."""

HASHES_AT_ONCE = 2**18


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
        """Read all texts once; ``scratch`` is an empty folder that is needed until the last text has been yielded.

        ``advance`` is called with the number of texts just read.
        """
        self._read = read
        self._hashes, self._repeated, self._seen = (scratch / name for name in ("hashes", "repeated", "seen"))
        total = 0
        with self._hashes.open("wb") as file:
            for texts in _batches(read()):
                file.write(_hashes_of(texts)[:, 0].tobytes())
                total += len(texts)
                advance(len(texts))
        self._count = self._find_repeated() if total else 0

    def __len__(self) -> int:
        return self._count

    def _find_repeated(self) -> int:
        """Write the hashes that come more than once, in order; return how many come at all."""
        hashes = np.memmap(self._hashes, np.uint64, "r+")
        hashes.sort()
        count = 0
        with self._repeated.open("wb") as repeated, self._seen.open("wb") as seen:
            for start in range(0, len(hashes), HASHES_AT_ONCE):
                around = hashes[max(start - 1, 0) : start + HASHES_AT_ONCE + 1]
                same = around[1:] == around[:-1]
                own = slice(1 if start else 0, (1 if start else 0) + min(HASHES_AT_ONCE, len(hashes) - start))
                comes_first = ~np.concatenate([[False], same])[own]
                found = around[own][comes_first & np.concatenate([same, [False]])[own]]
                repeated.write(found.tobytes())
                seen.write(np.zeros_like(found).tobytes())
                count += int(comes_first.sum())
        return count

    def __iter__(self) -> Iterator[str]:
        """Yield the texts, which are read once more."""
        if not self._count or not self._repeated.stat().st_size:
            yield from self._read()
            return
        repeated = np.memmap(self._repeated, np.uint64, "r")
        # Of each such text the other half of its hash, once it has come: it tells apart texts that share the first.
        seen = np.memmap(self._seen, np.uint64, "r+")
        for texts in _batches(self._read()):
            hashes = _hashes_of(texts)
            places = np.minimum(np.searchsorted(repeated, hashes[:, 0]), len(repeated) - 1)
            comes_again = repeated[places] == hashes[:, 0]
            for text, again, place, rest in zip(texts, comes_again, places, hashes[:, 1], strict=True):
                if again:
                    if seen[place] == rest:
                        continue
                    seen[place] = rest
                yield text


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if len(batch) == TEXTS_AT_ONCE or characters >= CHARACTERS_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _hashes_of(texts: list[str]) -> Hashes:
    """Return 128 bits a text, (n, 2)."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts)
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)
