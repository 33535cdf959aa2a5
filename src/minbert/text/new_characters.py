"""Characters of texts, such as emoji or Han, that a vocabulary has no tokens for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from minbert.text.tokenizer import Tokenizer


def unknown_characters(tokenizer: Tokenizer, texts: Iterable[str], least: int) -> list[str]:
    """Return the characters of ``texts`` that ``tokenizer`` has no tokens for, the most frequent first.

    A word with one of them is read as one unknown token, whatever else is in it. Tokenizers that fall back to bytes
    know all characters.

    Args:
        tokenizer: whose vocabulary it is.
        texts: of the rows to train on.
        least: in how many texts a character must be found.
    """
    found: Counter[str] = Counter()
    for text in texts:
        found.update(set(text))
    frequent = sorted((one for one, count in found.items() if count >= least), key=lambda one: (-found[one], one))
    known = {character for token in tokenizer.vocabulary() for character in token}
    # A syllable of Hangul is several characters where accents are stripped: with one unknown, the word is.
    new = [character for character in frequent if not known.issuperset(tokenizer.normalized(character))]
    # Others are cut out as spaces are, or read as bytes.
    return [one for one, ids in zip(new, tokenizer.token_ids(new), strict=True) if tokenizer.unknown_id in ids]
