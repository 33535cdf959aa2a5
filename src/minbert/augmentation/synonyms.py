"""Some words give way to synonyms."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from minbert.augmentation.base import Augmentation, Share, TextByText
from minbert.augmentation.wordnet import WordNet, load_wordnet
from minbert.augmentation.words import amount, cased_like, draw, replace_words, replaceable, word_spans


class Synonyms(Augmentation):
    """``n = alpha l`` of a text's ``l`` words, none a stop word, each replaced by one of its synonyms in WordNet.

    A synonym is another lemma of any of the word's senses, as likely as any other; it stands in its base form.
    """

    name: ClassVar[str] = "synonyms"
    title: ClassVar[str] = "some words replaced by synonyms from WordNet"
    source: ClassVar[str] = "Wei & Zou 2019, 'EDA', section 2, synonym replacement"

    alpha: Share = Field(0.1, description="share of a text's words to replace; one at least")

    def load(self, device: torch.device) -> SynonymReplacer:  # noqa: ARG002
        return SynonymReplacer(load_wordnet(), self.alpha)


class SynonymReplacer(TextByText):
    """Replaces words by what a WordNet says of them."""

    def __init__(self, wordnet: WordNet, alpha: float) -> None:
        self._wordnet = wordnet
        self._alpha = alpha

    def rewrite_text(self, text: str, generator: np.random.Generator) -> str:
        spans = word_spans(text)
        choices = {place: self._wordnet.synonyms(text[slice(*spans[place])]) for place in replaceable(text, spans)}
        known = [place for place, synonyms in choices.items() if synonyms]
        chosen = draw(known, amount(self._alpha, len(spans)), generator)
        words = {place: choices[place][generator.integers(len(choices[place]))] for place in chosen}
        cased = {place: cased_like(word, text[slice(*spans[place])]) for place, word in words.items()}
        return replace_words(text, spans, cased)
