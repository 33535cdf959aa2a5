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


def is_beside_labels(header: str) -> bool:
    """Return whether a header names what stands beside a label: ``helpfulness_numerator``, but not ``user_rating``."""
    return says(header, "beside") or says(" ".join(words_of(header)[-1:]), "behind")


def pairing(one: str, other: str) -> int:
    """Return how surely two headers name the two sides of a pair, in this order.

    3 where they are alike but for one word, as ``text1`` and ``text2`` are, or are no more than these words, as
    ``question`` and ``answer``; 2 where they hold more, as ``question_title`` and ``best_answer`` do; 1 where they may
    be the sides of a pair, as ``article`` and ``summary``; else 0.
    """
    first, second = words_of(one), words_of(other)
    differ = [f"{a}/{b}" for a, b in zip(first, second, strict=False) if a != b]
    pairs = known_words("pairs")
    if len(first) == len(second) and len(differ) == 1 and differ[0] in pairs | known_words("sides"):
        return 3
    last = [f"{a}/{b}" for a, b in zip(first[-1:], second[-1:], strict=False) if len(first) != len(second)]
    within = {f"{a}/{b}" for a in {*first} - {*second} for b in {*second} - {*first}}
    if within & pairs or {*last} & known_words("sides"):
        return 2
    return int(bool(within & known_words("perhaps")))


def are_translations(one: str, other: str) -> bool:
    """Return whether two headers differ by the name of a language alone: ``text_en`` and ``text_de``.

    ``en`` and ``de`` say no more than that two languages are there, as they are where translations are judged.
    """
    first, second = words_of(one), words_of(other)
    differ = [{a, b} for a, b in zip(first, second, strict=False) if a != b]
    return 1 < len(first) == len(second) and len(differ) == 1 and differ[0] <= known_words("languages")


def is_version(one: str, other: str) -> bool:
    """Return whether the first header may name the text of the second in another form: ``clean_text`` and ``text``."""
    if says(one, "derived"):
        return not says(other, "derived")
    plain = [word for word in words_of(one) if word not in known_words("raw")]
    return says(one, "raw") and plain == words_of(other)
