"""Some words give way to their nearest neighbours in an encoder's table of word embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from minbert.augmentation.base import Augmentation, Augmenter, Draws, Share
from minbert.augmentation.vocabulary import WholeWords
from minbert.augmentation.words import Span, amount, cased_like, draw, replace_words, replaceable, word_spans
from minbert.encoder.sources import check_tokenizer, find_encoder, load_encoder
from minbert.text.tokenizer import Tokenizer

WORDS_AT_ONCE = 512
"""Words compared with the whole vocabulary in one product."""


class Neighbours(Augmentation):
    """``n = alpha l`` of a text's ``l`` words, none a stop word, each replaced by one of its ``nearest`` neighbours.

    Neighbours are whole words of the encoder's vocabulary, nearest by the cosine of the word embeddings, one as likely
    as another. A word that the vocabulary has only in pieces stays. Needs no network and no data but the encoder.
    """

    name: ClassVar[str] = "neighbours"
    title: ClassVar[str] = "some words replaced by neighbours in the encoder's word embeddings"
    source: ClassVar[str] = "Wang & Yang 2015, 'That's So Annoying!!!', embedding-based augmentation"

    alpha: Share = Field(0.1, description="share of a text's words to replace; one at least")
    encoder: str = Field("minilm", description="whose word embeddings: 'minilm', a folder, or an id on the hub")
    nearest: int = Field(5, ge=1, description="draw from so many nearest neighbours")
    cosine: float = Field(0.5, ge=-1, lt=1, description="and only from those whose cosine is at least this")

    def load(self, device: torch.device) -> NeighbourReplacer:
        files = find_encoder(self.encoder)
        tokenizer, encoder = Tokenizer.from_files(files.folder), load_encoder(self.encoder)
        check_tokenizer(self.encoder, encoder, tokenizer)
        words, table = WholeWords(tokenizer), encoder.embeddings.word.weight.detach()
        return NeighbourReplacer(words, table[words.ids].to(device), self)


class NeighbourReplacer(Augmenter):
    """Replaces words by neighbours, which are looked up once for each word."""

    def __init__(self, words: WholeWords, table: Tensor, settings: Neighbours) -> None:
        """``table`` (W, hidden) holds the embeddings of ``words``."""
        self._words = words
        self._directions = functional.normalize(table, dim=1)
        self._settings = settings
        self._known: dict[str, list[str]] = {}

    def neighbours(self, word: str) -> list[str]:
        """Return what may stand for ``word``, in the order of the alphabet."""
        self._learn([word])
        return self._known[word]

    def rewrite(self, texts: Sequence[str], draws: Draws) -> list[list[str]]:
        spans = [word_spans(text) for text in texts]
        places = [replaceable(text, of_text) for text, of_text in zip(texts, spans, strict=True)]
        self._learn(
            text[slice(*of_text[place])]
            for text, of_text, candidates in zip(texts, spans, places, strict=True)
            for place in candidates
        )
        return [
            [self._rewrite_text(text, of_text, candidates, generator) for generator in generators]
            for text, of_text, candidates, generators in zip(texts, spans, places, draws, strict=True)
        ]

    def _rewrite_text(
        self, text: str, spans: Sequence[Span], candidates: Sequence[int], generator: np.random.Generator
    ) -> str:
        choices = {place: self._known[text[slice(*spans[place])]] for place in candidates}
        known = [place for place, words in choices.items() if words]
        words = {}
        for place in draw(known, amount(self._settings.alpha, len(spans)), generator):
            word = choices[place][generator.integers(len(choices[place]))]
            words[place] = cased_like(word, text[slice(*spans[place])])
        return replace_words(text, spans, words)

    def _learn(self, words: Iterable[str]) -> None:
        unknown = [word for word in dict.fromkeys(words) if word not in self._known]
        rows = self._words.rows(unknown)
        self._known.update({word: [] for word in unknown})
        found = [(word, row) for word, row in zip(unknown, rows, strict=True) if row is not None]
        for start in range(0, len(found), WORDS_AT_ONCE):
            part = found[start : start + WORDS_AT_ONCE]
            own = torch.tensor([row for _, row in part], device=self._directions.device)
            cosines = self._directions[own] @ self._directions.T
            cosines.scatter_(1, own[:, None], -2.0)
            nearest = cosines.topk(min(self._settings.nearest, cosines.shape[1]))
            for (word, _), values, others in zip(part, nearest.values.tolist(), nearest.indices.tolist(), strict=True):
                near = [other for value, other in zip(values, others, strict=True) if value >= self._settings.cosine]
                # In an order that rounding cannot change: what is drawn must not depend on the words looked up beside.
                self._known[word] = sorted(self._words.words[other] for other in near)
