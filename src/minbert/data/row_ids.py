"""Ids that come twice in a file, found in memory that does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from minbert.data.examined import FirstLines
from minbert.text.hashes import Hashes, HashFile, repeated, text_hashes

Found = TypeVar("Found")

_AT_ONCE = 2048


class RowIds:
    """The ids of a file that is read as often as it takes."""

    def __init__(self) -> None:
        self._repeated: Hashes | None = None

    def compared(self, read: Callable[[FirstLines], Found]) -> Found:
        """Return what ``read`` finds in the file when it asks of every id where that came first.

        Every id passes for new to the first who reads the file. If two have the same hash, it is read again, and now
        those with such a hash are remembered by their lines, as in every later reading: then what it is told is true.
        """
        if self._repeated is None:
            hashed = _HashedIds()
            found = read(hashed)
            self._repeated = repeated(hashed.sorted())
            if not len(self._repeated):
                return found
        return read(_WatchedIds(self._repeated))


class _HashedIds:
    """Takes every id for new, and keeps its hash."""

    def __init__(self) -> None:
        self._hashes = HashFile()
        self._waiting: list[str] = []

    def setdefault(self, row_id: str, line: int, /) -> int:
        self._waiting.append(row_id)
        if len(self._waiting) == _AT_ONCE:
            self._flush()
        return line

    def sorted(self) -> Hashes:
        self._flush()
        return self._hashes.sorted()

    def _flush(self) -> None:
        self._hashes.add(self._waiting)
        self._waiting.clear()


class _WatchedIds:
    """Remembers the lines of those ids whose hash comes more than once."""

    def __init__(self, repeated_hashes: Hashes) -> None:
        self._watched = set(repeated_hashes.tolist())
        self._line_of_id: dict[str, int] = {}

    def setdefault(self, row_id: str, line: int, /) -> int:
        watched = int(text_hashes([row_id])[0, 0]) in self._watched
        return self._line_of_id.setdefault(row_id, line) if watched else line
