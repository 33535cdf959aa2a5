"""Which of any number of texts are the same: their hashes in files, sorted there, so memory does not grow with them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from minbert.errors import UserError

Hashes = NDArray[np.uint64]

AT_ONCE = 2**16
"""Hashes looked at together: half a megabyte."""


def text_hashes(texts: Iterable[str]) -> Hashes:
    """Return 64 bits of BLAKE2b of each text.

    Of a hundred million different texts two have the same hash with a probability of 0.0003.
    """
    return np.frombuffer(b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts), np.uint64)


class HashFile:
    """The hashes of texts, added in any number of calls to a temporary file, then sorted there as a mapped file.

    The file has no name, so nothing of it is left when the process ends, however that comes.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (for as long as the hashes are looked at)

    def add(self, texts: Iterable[str]) -> None:
        """Add the hash of each text.

        Raises:
            UserError: there is no room for it.
        """
        with _room_asked_for():
            self._file.write(text_hashes(texts).tobytes())

    def sorted(self) -> Hashes:
        """Return all hashes in order, as a mapped file; nothing more can be added.

        Raises:
            UserError: as for ``add``.
        """
        with self._file as file:
            with _room_asked_for():
                file.flush()
            if not file.seek(0, os.SEEK_END):
                return np.empty(0, np.uint64)
            hashes = np.memmap(file, np.uint64, "r+")
        hashes.sort()
        return hashes


@contextmanager
def _room_asked_for() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{tempfile.gettempdir()}: the hashes of texts cannot be written there ({error.strerror}). They take 8 "
            "bytes a row and file. Free some space, or name another folder: TMPDIR=FOLDER minbert ..."
        ) from error


def distinct(hashes: Hashes) -> int:
    """Return how many different ones there are among sorted ``hashes``."""
    return sum(int(is_first.sum()) for _, is_first in _with_first(hashes))


def repeated(hashes: Hashes) -> Hashes:
    """Return those of sorted ``hashes`` that come more than once, each as often as it comes again."""
    return np.concatenate([np.empty(0, np.uint64), *(part[~is_first] for part, is_first in _with_first(hashes))])


def shared(hashes: Hashes, others: Hashes) -> int:
    """Return how many of sorted ``hashes`` are among the sorted ``others``."""
    if not len(others):
        return 0
    count = 0
    for part in _parts(hashes):
        places = np.minimum(np.searchsorted(others, part), len(others) - 1)
        count += int((others[places] == part).sum())
    return count


def _with_first(hashes: Hashes) -> Iterator[tuple[Hashes, NDArray[np.bool_]]]:
    """Yield parts of sorted hashes, and which of them are the first of their value."""
    last = None
    for part in _parts(hashes):
        is_first = np.append(True, part[1:] != part[:-1])
        is_first[0] = last is None or part[0] != last
        last = part[-1]
        yield part, is_first


def _parts(hashes: Hashes) -> Iterator[Hashes]:
    for start in range(0, len(hashes), AT_ONCE):
        yield np.asarray(hashes[start : start + AT_ONCE])
