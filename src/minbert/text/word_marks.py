"""How a vocabulary writes where words begin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers.decoders import ByteLevel

_SPACES = ("Ġ", "Ċ", "ĉ", "č", " ")
"""How tokens of bytes begin that begin with a space or the end of a line; the last are tokens added beside them."""


@dataclass(frozen=True, slots=True)
class WordMarks:
    """The marks of a vocabulary; without any, every token is a word."""

    inside: str = ""
    """Before each piece that goes on with a word ("##")."""
    begins: tuple[str, ...] = ()
    """Before each token that begins a word, one of these: all others go on with the word before them."""
    bytes: bool = False
    """Whether tokens are written byte by byte ("é" as "Ã©"), and a word's token takes in the space before it."""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> WordMarks:
        """Return the marks of the tokenizer.json with this ``content``."""
        parts = {part.get("type"): part for part in parts_of(content["pre_tokenizer"], "pretokenizers")}
        if "ByteLevel" in parts:
            return cls(begins=_SPACES, bytes=True)
        if "Metaspace" in parts:
            return cls(begins=(parts["Metaspace"]["replacement"],))
        return cls(inside=content["model"].get("continuing_subword_prefix") or "")

    def goes_on(self, token: str) -> bool:
        """Return whether a token is a later piece of a word."""
        if self.begins:
            return not token.startswith(self.begins)
        return bool(self.inside) and token.startswith(self.inside)

    def word(self, token: str) -> str | None:
        """Return the text of a token that begins a word, without the space before; None of one that goes on with it."""
        if self.goes_on(token):
            return None
        if self.bytes:
            text: str = ByteLevel().decode([token])
            return text.removeprefix(" ")
        return token[1:] if self.begins else token

    def amid(self, word: str) -> str:
        """Return a word as it is tokenized in the middle of a text."""
        return f" {word}" if self.bytes else word


def parts_of(whole: Mapping[str, Any] | None, sequence: str) -> Iterator[Mapping[str, Any]]:
    """Yield the parts of a tokenizer.json's normalizer or pre_tokenizer; ``sequence`` is the key of a list of them."""
    if whole is None:
        return
    if sequence not in whole:
        yield whole
    for part in whole.get(sequence, []):
        yield from parts_of(part, sequence)
