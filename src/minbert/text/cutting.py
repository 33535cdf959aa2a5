"""Where a long text can be cut so that its pieces, tokenized one by one, have the tokens of the whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from minbert.text.word_marks import parts_of

_AT_WHITE_SPACE = frozenset({"BertPreTokenizer", "Whitespace", "WhitespaceSplit", "ByteLevel"})
"""Splitters after which no word holds white space that follows something else."""
_SPLITTERS = _AT_WHITE_SPACE | {"Metaspace", "Punctuation", "Digits"}
_NORMALIZERS = frozenset(
    {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "StripAccents"}
)
"""What looks at no more than a character and the marks that follow it."""
_SPACES = (" {2,}", "\\s+", "\\s{2,}")
"""Patterns of white space alone, which some tokenizers replace by one space."""

_BEFORE, _AFTER = r"(?<=[^\W_]|[.,;:!?。，！？；：])", r"(?=[^\W_])"
_BETWEEN_IDEOGRAPHS = "(?<=[\u4e00-\u9fff])(?=[\u4e00-\u9fff])"

_TRIED = 8
"""Places that are tried before a text is taken for one that cannot be cut."""


class Cutter:
    """Finds places where a text can be cut.

    A piece begins with a single space, or a new line, between two words. Or it begins between two ideographs, where
    each is a word. All that a tokenizer does before it splits a text into words looks at a few characters, so a look
    at those around a place tells whether it can be cut there. A tokenizer that joins words, or may, cuts nowhere.
    """

    def __init__(
        self, content: Mapping[str, Any], token_ids: Callable[[Sequence[str]], Sequence[Sequence[int]]]
    ) -> None:
        """Take the ``content`` of a tokenizer.json, and what gives texts' ids."""
        self._places = _places(content)
        self._token_ids = token_ids
        self._around = 32 + max((len(token["content"]) for token in content["added_tokens"]), default=0)

    def end(self, text: str, start: int, size: int) -> int:
        """Return where a piece that begins at ``start`` ends: at the first place after ``size`` characters or more."""
        if self._places is None or len(text) <= start + size:
            return len(text)
        for place in islice(self._places.finditer(text, start + size), _TRIED):
            if self._is_cut_at(text, place.start()):
                return place.start()
        return len(text)

    def pieces(self, text: str, size: int) -> Iterator[str]:
        """Yield the pieces of a text, each of ``size`` characters or more; an empty text is a piece."""
        end = self.end(text, 0, size)
        yield text[:end]
        while end < len(text):
            start, end = end, self.end(text, end, size)
            yield text[start:end]

    def _is_cut_at(self, text: str, place: int) -> bool:
        left, right = text[max(0, place - self._around) : place], text[place : place + self._around]
        whole, first, second = self._token_ids([left + right, left, right])
        return [*first, *second] == [*whole]


def _places(content: Mapping[str, Any]) -> re.Pattern[str] | None:
    """Return where it is worth trying to cut; None if a tokenizer may join words, or do what we do not know."""
    splitters = list(parts_of(content["pre_tokenizer"], "pretokenizers"))
    normalizers = list(parts_of(content["normalizer"], "normalizers"))
    if not all(map(_looks_at_few, normalizers)) or not all(part["type"] in _SPLITTERS for part in splitters):
        return None
    splitting = [part for part in splitters if part.get("use_regex", True) and part.get("split", True)]
    if any(part["type"] in _AT_WHITE_SPACE for part in splitting):
        places = f"{_BEFORE}[ \n]{_AFTER}"
    elif any(part["type"] == "Metaspace" for part in splitting):
        places = f"{_BEFORE} {_AFTER}"
    else:
        return None
    apart = any(part.get("handle_chinese_chars") for part in normalizers)
    return re.compile(f"{places}|{_BETWEEN_IDEOGRAPHS}" if apart else places)


def _looks_at_few(normalizer: Mapping[str, Any]) -> bool:
    pattern = normalizer.get("pattern", {})
    replaces = normalizer["type"] == "Replace" and ("String" in pattern or pattern.get("Regex") in _SPACES)
    return replaces or normalizer["type"] in _NORMALIZERS
