"""Token tables in files: written a text at a time, and mapped, so that neither takes memory for the texts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, chain
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from minbert.files.long_arrays import mapped
from minbert.text.token_table import TEXTS_AT_ONCE, TokenTable
from minbert.text.tokenizer import Tokenizer

CHARACTERS_AT_ONCE = 2**20
"""Pieces of texts tokenized in one call: so many characters, or little more."""

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
        self._pieces: list[str] = []
        self._characters = 0
        self._texts_end: list[int] = []  # each after so many of the pieces
        self._end = 0
        self._tokens = (folder / _TOKENS).open("wb")
        self._offsets = (folder / _OFFSETS).open("wb")
        self._offsets.write(np.zeros(1, np.int64).tobytes())

    def add(self, text: str) -> None:
        """Make ``text`` the table's next row."""
        for piece in self._tokenizer.pieces(text):
            if len(self._pieces) == TEXTS_AT_ONCE or self._characters >= CHARACTERS_AT_ONCE:
                self._write()
            self._pieces.append(piece)
            self._characters += len(piece)
        self._texts_end.append(len(self._pieces))

    def _write(self) -> None:
        ids = self._tokenizer.token_ids(self._pieces)
        self._tokens.write(np.fromiter(chain.from_iterable(ids), np.int32).tobytes())
        ends = self._end + np.fromiter(accumulate(map(len, ids), initial=0), np.int64)
        self._offsets.write(ends[self._texts_end].tobytes())
        self._end = int(ends[-1])
        self._advance(len(self._texts_end))
        self._pieces, self._characters, self._texts_end = [], 0, []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left; see the class."""
        with self._tokens, self._offsets:
            if kind is None and self._pieces:
                self._write()


def mapped_table(folder: Path) -> TokenTable:
    """Return the table that a ``TokenWriter`` wrote into ``folder``."""
    return TokenTable(mapped(folder / _TOKENS, np.int32), mapped(folder / _OFFSETS, np.int64))


def write_table(table: TokenTable, folder: Path) -> None:
    """Write a table into ``folder``, from where ``mapped_table`` has it."""
    table.token_ids.tofile(folder / _TOKENS)
    table.offsets.tofile(folder / _OFFSETS)
