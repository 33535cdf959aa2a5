"""The words of a text, and changes to them that leave everything between them as it was."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

Span = tuple[int, int]
"""Where a word begins in its text, and where it has ended."""

_STOP_WORDS = """
a an the this that these those some any each every all both either neither such no not nor never
i me my mine myself you your yours yourself yourselves he him his himself she her hers herself it its itself
we us our ours ourselves they them their theirs themselves one ones who whom whose which what
am is are was were be been being have has had having do does did doing done can could will would shall should
may might must ought
and or but if then than because as while although though until unless since so yet whether
of at by for with about against between among into onto through during before after above below to from up down
in out on off over under upon within without toward towards across along around behind beside beyond near per via
there here when where why how again once only just very too also more most much many few less least own same other
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""English words that carry grammar more than meaning; they are not replaced, nor are others put in their place."""

_CHUNK = re.compile(r"\S+")


def word_spans(text: str) -> list[Span]:
    """Return the words of ``text``: what stands between white space, without the punctuation around it."""
    spans = []
    for chunk in _CHUNK.finditer(text):
        start, end = chunk.span()
        while start < end and not _of_a_word(text[start]):
            start += 1
        while end > start and not _of_a_word(text[end - 1]):
            end -= 1
        if start < end:
            spans.append((start, end))
    return spans


def replaceable(text: str, spans: Sequence[Span]) -> list[int]:
    """Return which of the words may give way to another: those of letters alone that are no stop words.

    So numbers stay what they are, and a negation stays where it is.
    """
    words = [text[start:end] for start, end in spans]
    return [place for place, word in enumerate(words) if word.isalpha() and word.casefold() not in STOP_WORDS]


def amount(alpha: float, words: int) -> int:
    """Return how many of ``words`` are a share of ``alpha``: rounded, halves up, and one at least."""
    return max(1, int(alpha * words + 0.5))


def draw(places: Sequence[int], wanted: int, generator: np.random.Generator) -> list[int]:
    """Return ``wanted`` of the places, or all where they are fewer, in random order."""
    order = generator.permutation(len(places))[:wanted]
    return [places[index] for index in order]


def replace_words(text: str, spans: Sequence[Span], words: Mapping[int, str]) -> str:
    """Return ``text`` with other words in the given places."""
    pieces = []
    end = 0
    for place in sorted(words):
        pieces += [text[end : spans[place][0]], words[place]]
        end = spans[place][1]
    return "".join([*pieces, text[end:]])


def cased_like(word: str, model: str) -> str:
    """Return ``word`` in capitals where ``model`` is, or with a capital where it has one."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def _of_a_word(character: str) -> bool:
    """Whether it is a letter, a digit, or an accent that stands for itself."""
    return character.isalnum() or unicodedata.category(character).startswith("M")
