"""Token tables in files: written a text at a time, and mapped, so that neither takes memory for the texts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from minbert.text.token_table import TEXTS_AT_ONCE, TokenTable
from minbert.text.tokenizer import Tokenizer

CHARACTERS_AT_ONCE = 2**20
"""Texts tokenized in one call have no more characters than so many, but for a single one that has."""

_TOKENS, _OFFSETS = "tokens.int32", "offsets.int64"


class TokenWriter:
    """Tokenizes texts, which are distinct, and writes their table into a folder. A context manager.

    When its body ends well, the files are whole.
    """

    def __init__(
        self,
        folder: Path,
        tokenizer: Tokenizer,
        advance: Callable[[int], None] = lambda done: None,  # noqa: ARG005
    ) -> None:
        """Begin a table in ``folder``, which is made; ``advance`` is called with the number of texts just written."""
        folder.mkdir()
        self._tokenizer = tokenizer
        self._advance = advance
        self._texts: list[str] = []
        self._characters = 0
        self._end = 0
        self._tokens = (folder / _TOKENS).open("wb")
        self._offsets = (folder / _OFFSETS).open("wb")
        self._offsets.write(np.zeros(1, np.int64).tobytes())

    def add(self, text: str) -> None:
        """Make ``text`` the table's next row."""
        self._texts.append(text)
        self._characters += len(text)
        if len(self._texts) == TEXTS_AT_ONCE or self._characters >= CHARACTERS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        ids = self._tokenizer.token_ids(self._texts)
        self._tokens.write(np.fromiter(chain.from_iterable(ids), np.int32).tobytes())
        ends = self._end + np.fromiter(map(len, ids), np.int64).cumsum()
        self._offsets.write(ends.tobytes())
        self._end = int(ends[-1])
        self._advance(len(ids))
        self._texts, self._characters = [], 0

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left; see the class."""
        with self._tokens, self._offsets:
            if kind is None and self._texts:
                self._write()


def mapped_table(folder: Path) -> TokenTable:
    """Return the table that a ``TokenWriter`` wrote into ``folder``."""
    return TokenTable(mapped(folder / _TOKENS, np.int32), mapped(folder / _OFFSETS, np.int64))


def mapped(path: Path, dtype: type[Any]) -> NDArray[Any]:
    """Return a file of numbers as an array that is read from the disk when it is used."""
    if not path.stat().st_size:  # which cannot be mapped
        return np.empty(0, dtype)
    return np.memmap(path, dtype, "r").view(np.ndarray)
