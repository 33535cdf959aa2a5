"""Synonyms of some words are put in between."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from minbert.augmentation.base import Augmentation, Share, TextByText
from minbert.augmentation.wordnet import WordNet, load_wordnet
from minbert.augmentation.words import amount, replaceable, word_spans


class Insertion(Augmentation):
    """``n = alpha l`` times, a random synonym of a random word that is no stop word, put in a random place."""

    name: ClassVar[str] = "insertion"
    title: ClassVar[str] = "synonyms of some words put in random places"
    source: ClassVar[str] = "Wei & Zou 2019, 'EDA', section 2, random insertion"

    alpha: Share = Field(0.1, description="how many words are put in, as a share of a text's words; one at least")

    def load(self, device: torch.device) -> SynonymInserter:  # noqa: ARG002
        return SynonymInserter(load_wordnet(), self.alpha)


class SynonymInserter(TextByText):
    """Puts in what a WordNet says of the words that are there."""

    def __init__(self, wordnet: WordNet, alpha: float) -> None:
        self._wordnet = wordnet
        self._alpha = alpha

    def rewrite_text(self, text: str, generator: np.random.Generator) -> str:
        spans = word_spans(text)
        choices = [self._wordnet.synonyms(text[slice(*spans[place])]) for place in replaceable(text, spans)]
        known = [synonyms for synonyms in choices if synonyms]
        if not known:
            return text
        before: list[list[str]] = [[] for _ in range(len(spans) + 1)]  # what goes before each word, and after the last
        for _ in range(amount(self._alpha, len(spans))):
            synonyms = known[generator.integers(len(known))]
            before[generator.integers(len(before))].append(synonyms[generator.integers(len(synonyms))])
        pieces = []
        end = 0
        for (start, next_end), inserted in zip(spans, before, strict=False):
            pieces += [text[end:start], *(f"{word} " for word in inserted), text[start:next_end]]
            end = next_end
        return "".join([*pieces, *(f" {word}" for word in before[-1]), text[end:]])
