"""What the words of a header tell, in several languages. Content decides first; words tell apart what it leaves."""

from __future__ import annotations

import functools
import re
import unicodedata
from pathlib import Path

from minbert.files.strict_yaml import read_yaml


@functools.cache
def known_words(role: str) -> frozenset[str]:
    """Return the words of a role, a key of ``words.yaml``, of all languages."""
    words = read_yaml(Path(__file__).with_name("words.yaml"))[role]
    return frozenset(word for of_language in words.values() for word in str(of_language).split())


def words_of(header: str) -> list[str]:
    """Return a header's words: ``isDuplicate``, ``is_duplicate`` and ``is duplicate`` are alike, and so é and e."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)
    plain = "".join(c for c in unicodedata.normalize("NFKD", spaced) if not unicodedata.combining(c)).casefold()
    return re.findall(r"\d+|[^\W\d_]+", unicodedata.normalize("NFC", plain))


def says(header: str, *roles: str) -> bool:
    """Return whether a header has a word of one of these roles."""
    words = set(words_of(header))
    return any(words & known_words(role) for role in roles)


def are_a_pair(one: str, other: str) -> bool:
    """Return whether two headers name the two sides of a pair, in this order: ``text1`` and ``text2``."""
    first, second = words_of(one), words_of(other)
    differ = [f"{a}/{b}" for a, b in zip(first, second, strict=False) if a != b]
    if len(first) != len(second):
        differ = [f"{a}/{b}" for a, b in zip(first[-1:], second[-1:], strict=True)]
    return len(differ) == 1 and differ[0] in known_words("pairs")
