"""The tokens of a vocabulary that are words a text may be given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from minbert.augmentation.words import STOP_WORDS
from minbert.text.tokenizer import Tokenizer


class WholeWords:
    """The tokens that are whole words: no pieces, special tokens, numbers, signs, single letters or stop words."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        words = {index: tokenizer.marks.word(token) for token, index in tokenizer.vocabulary().items()}
        tokens = {
            index: word
            for index, word in words.items()
            if index not in tokenizer.special_ids and word and _is_word(word)
        }
        self.ids: NDArray[np.int64] = np.array(sorted(tokens), dtype=np.int64)
        """(W,) ascending."""
        self.words = [words[index] for index in self.ids.tolist()]
        self._row_of = {index: row for row, index in enumerate(self.ids.tolist())}

    def rows(self, words: Sequence[str]) -> list[int | None]:
        """Return which of ``words`` each word is, by the tokenizer's reading of it; None for one that is none."""
        amid = [self._tokenizer.marks.amid(word) for word in words]
        return [self._row_of.get(ids[0]) if len(ids) == 1 else None for ids in self._tokenizer.token_ids(amid)]


def _is_word(word: str) -> bool:
    return word.isalpha() and len(word) > 1 and word.casefold() not in STOP_WORDS
