"""Columns of texts without a Python object for each: bytes end to end, mapped from a file where they are many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from minbert.files.long_arrays import mapped
from minbert.files.spool import Spool
from minbert.text.batches import batches

TEXTS_AT_ONCE = 2048

_TEXTS, _OFFSETS = "texts.utf8", "offsets.int64"


class TextColumn(Sequence[str]):
    """The texts of many rows, read one by one or in order. It is equal to a list of the same texts."""

    def __init__(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        """Take over the texts' UTF-8 end to end, and where each begins and the last one ends, (n+1,)."""
        self._data = data
        self._offsets = offsets

    @classmethod
    def of(cls, texts: Iterable[str]) -> TextColumn:
        """Return a column of these texts."""
        writer = ColumnWriter()
        writer.extend(texts)
        return writer.column()

    @classmethod
    def mapped(cls, folder: Path) -> TextColumn:
        """Return the column that ``write`` wrote into ``folder``."""
        return cls(mapped(folder / _TEXTS, np.uint8), mapped(folder / _OFFSETS, np.int64))

    def write(self, folder: Path) -> None:
        """Write the column into ``folder``, which is made."""
        folder.mkdir()
        self._data.tofile(folder / _TEXTS)
        self._offsets.tofile(folder / _OFFSETS)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        """Return a text, or a column of some."""
        if isinstance(row, slice):
            return TextColumn.of(self[number] for number in range(*row.indices(len(self))))
        number = range(len(self))[row]
        return str(self._data[self._offsets[number] : self._offsets[number + 1]].data, "utf-8")

    def __iter__(self) -> Iterator[str]:
        """Yield all texts in order."""
        data = self._data.data
        for start in range(0, len(self), TEXTS_AT_ONCE):
            for left, right in pairwise(self._offsets[start : start + TEXTS_AT_ONCE + 1].tolist()):
                yield str(data[left:right], "utf-8")

    def __eq__(self, other: object) -> bool:
        """Return whether ``other`` holds the same texts."""
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return what it is, not what it holds."""
        return f"<TextColumn of {len(self):,} texts>"


class ColumnWriter:
    """A column that is being written, some texts at a time."""

    def __init__(self) -> None:
        self._data, self._offsets = Spool(np.uint8), Spool(np.int64)
        self._offsets.write(np.zeros(1, np.int64))
        self._end = 0

    def extend(self, texts: Iterable[str]) -> None:
        """Add texts at the end."""
        for batch in batches(texts, TEXTS_AT_ONCE):
            some = [text.encode() for text in batch]
            ends = self._end + np.fromiter(map(len, some), np.int64).cumsum()
            self._data.write(b"".join(some))
            self._offsets.write(ends)
            self._end = int(ends[-1])

    def column(self) -> TextColumn:
        """Return the column; nothing more can be added."""
        return TextColumn(self._data.array(), self._offsets.array())
