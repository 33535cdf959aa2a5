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
        tokens = {index: token for token, index in tokenizer.vocabulary().items() if _is_word(token)}
        self.ids: NDArray[np.int64] = np.array(sorted(tokens), dtype=np.int64)
        """(W,) ascending."""
        self.words = [tokens[index] for index in self.ids.tolist()]
        self._row_of = {index: row for row, index in enumerate(self.ids.tolist())}

    def rows(self, words: Sequence[str]) -> list[int | None]:
        """Return which of ``words`` each word is, by the tokenizer's reading of it; None for one that is none."""
        return [self._row_of.get(ids[0]) if len(ids) == 1 else None for ids in self._tokenizer.token_ids([*words])]


def _is_word(token: str) -> bool:
    # Special tokens have brackets and pieces begin with ##, so neither is of letters alone.
    return token.isalpha() and len(token) > 1 and token.casefold() not in STOP_WORDS
