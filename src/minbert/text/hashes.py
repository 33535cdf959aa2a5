"""Which of any number of texts are the same: their hashes in files, sorted there, so memory does not grow with them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from minbert.errors import UserError
from minbert.files.long_arrays import parts, sorted_distinct, spooled, zeros
from minbert.files.spool import Spool
from minbert.text.batches import batches

Hashes = NDArray[np.uint64]

HASHES_AT_ONCE = 2**18
"""Hashes looked at together: two megabytes."""

TEXTS_AT_ONCE = 2048


def text_hashes(texts: Iterable[str]) -> Hashes:
    """Return 128 bits of BLAKE2b of each text, (n, 2).

    Of a hundred million different texts two have the first half in common with a probability of 0.0003.
    """
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts)
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)


class HashFile:
    """The first halves of texts' hashes: added in any number of calls to a file, then sorted there.

    The file has no name, so nothing of it is left when the process ends, however that comes.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Make the file in ``folder``, by default among the system's temporary files."""
        self._folder = folder
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (open as long as hashes are added)

    def add(self, texts: Iterable[str]) -> None:
        """Add the hash of each text.

        Raises:
            UserError: there is no room for it.
        """
        with _room_asked_for(self._folder):
            self._file.write(text_hashes(texts)[:, 0].tobytes())

    def sorted(self) -> Hashes:
        """Return all hashes in order, as a mapped file; nothing more can be added.

        Raises:
            UserError: as for ``add``.
        """
        with _room_asked_for(self._folder):
            hashes = _mapped(self._file)
        hashes.sort()
        return hashes


def distinct(hashes: Hashes) -> int:
    """Return how many different ones there are among sorted ``hashes``."""
    return sum(int(comes_first.sum()) for _, comes_first, _ in _beside_neighbours(hashes))


def repeated(hashes: Hashes, folder: Path | None = None) -> Hashes:
    """Return those of sorted ``hashes`` that come more than once, each once and in order, as a mapped file.

    Raises:
        UserError: there is no room for it in ``folder``, by default among the system's temporary files.
    """
    parts = (part[first & again] for part, first, again in _beside_neighbours(hashes))
    return _written(parts, folder)


def zeros_for(hashes: Hashes, folder: Path | None = None) -> Hashes:
    """Return a zero for each of sorted ``hashes``, as a mapped file that can be written to.

    Raises:
        UserError: as for ``repeated``.
    """
    return _written((np.zeros_like(part) for part, _, _ in _beside_neighbours(hashes)), folder)


def shared(hashes: Hashes, others: Hashes) -> int:
    """Return how many of sorted ``hashes`` are among the sorted ``others``."""
    if not len(others):
        return 0
    count = 0
    for start in range(0, len(hashes), HASHES_AT_ONCE):
        part = hashes[start : start + HASHES_AT_ONCE]
        places = np.minimum(np.searchsorted(others, part), len(others) - 1)
        count += int((others[places] == part).sum())
    return count


def numbered(texts: Iterable[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the number (n,) of each text, equal for equal ones, and whether (n,) it comes there first.

    Numbers go from 0 in the order of first appearance. No text is held, and memory does not grow with them. They are
    compared by their whole hashes: should two texts share the first half alone, the later one is new whenever it comes.
    """
    hashes = spooled(map(text_hashes, batches(texts, TEXTS_AT_ONCE)), np.uint64).reshape(-1, 2)
    known = sorted_distinct((hashes[part, 0] for part in parts(len(hashes))), np.uint64)
    number_of, rest = zeros(len(known), np.int64), zeros(len(known), np.uint64)  # a number is 0 until its text has come
    numbers, comes_first = Spool(np.int64), Spool(np.bool_)
    count = 0
    for part in parts(len(hashes)):
        places, rests = np.searchsorted(known, hashes[part, 0]), hashes[part, 1]
        _, first = np.unique(places, return_index=True)
        first = first[number_of[places[first]] == 0]
        rest[places[first]] = rests[first]
        is_other = rest[places] != rests
        is_new = is_other.copy()
        is_new[first] = True
        new = count + np.cumsum(is_new)
        number_of[places[first]] = new[first]
        numbers.write(np.where(is_other, new, number_of[places]) - 1)
        comes_first.write(is_new)
        count = int(new[-1])
    return numbers.array(), comes_first.array()


def _beside_neighbours(hashes: Hashes) -> Iterator[tuple[Hashes, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield parts of sorted hashes, which of them are other ones than before, and which are the same as the next."""
    for start in range(0, len(hashes), HASHES_AT_ONCE):
        end = min(start + HASHES_AT_ONCE, len(hashes))
        part = hashes[start:end]
        same = part[1:] == part[:-1]
        comes_first = np.append(start == 0 or part[0] != hashes[start - 1], ~same)
        comes_again = np.append(same, end < len(hashes) and part[-1] == hashes[end])
        yield part, comes_first, comes_again


def _written(parts: Iterable[Hashes], folder: Path | None) -> Hashes:
    """Return parts as one mapped file."""
    with _room_asked_for(folder):
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (it is closed when it is mapped)
        for part in parts:
            file.write(part.tobytes())
        return _mapped(file)


def _mapped(file: IO[bytes]) -> Hashes:
    """Return the hashes in a temporary file, which is closed, and stays as long as they are in use."""
    with file:
        return np.memmap(file, np.uint64, "r+") if file.seek(0, os.SEEK_END) else np.empty(0, np.uint64)


@contextmanager
def _room_asked_for(folder: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{folder or tempfile.gettempdir()}: hashes of texts cannot be written there ({error.strerror}). They take "
            "8 bytes a text. Free some space, or name another folder by TMPDIR (for a cache MINBERT_CACHE)."
        ) from error
