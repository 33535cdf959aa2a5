"""Some words give way to what a masked language model would put in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from minbert.augmentation.base import Augmentation, Augmenter, Draws, Share
from minbert.augmentation.vocabulary import WholeWords
from minbert.augmentation.words import Span, amount, cased_like, draw, replace_words, replaceable, word_spans
from minbert.encoder.masked_lm import HeadKind, MaskedLM
from minbert.encoder.masked_lm_files import load_masked_lm
from minbert.encoder.sources import check_tokenizer, find_encoder
from minbert.errors import UserError
from minbert.packed import PackedBatch
from minbert.text.tokenizer import Tokenizer

TOKENS_AT_ONCE = 8192
"""Tokens in one pass through the model."""
_HEADS: tuple[HeadKind, ...] = ("bert", "two_layer")


class Contextual(Augmentation):
    """``n = alpha l`` of a text's ``l`` words, none a stop word, hidden at once and guessed by a masked LM.

    A hidden word is one mask token, whatever its pieces. Of the vocabulary's whole words, without the hidden one, the
    ``top_k`` likeliest are drawn from by their probabilities. Words past the model's longest sequence stay.
    """

    name: ClassVar[str] = "contextual"
    title: ClassVar[str] = "some words replaced by a masked language model's guesses"
    source: ClassVar[str] = "Kobayashi 2018, 'Contextual Augmentation'; with a masked LM: Wu et al. 2019, section 3"

    alpha: Share = Field(0.1, description="share of a text's words to replace; one at least")
    encoder: str = Field(
        description="an encoder with a masked-LM head: a folder (minbert pretrain leaves one) or an id"
    )
    top_k: int = Field(10, ge=1, description="draw from so many likeliest words")

    def load(self, device: torch.device) -> ContextualReplacer:
        tokenizer = Tokenizer.from_files(find_encoder(self.encoder).folder)
        for kind in _HEADS:
            model, head_was_there = load_masked_lm(self.encoder, kind)
            if head_was_there:
                break
        else:
            raise UserError(
                f"encoder '{self.encoder}': has no masked-LM head, so it cannot guess words. Give one that has (such "
                "as bert-base-uncased, or the folder of a 'minbert pretrain' run)."
            )
        check_tokenizer(self.encoder, model.encoder, tokenizer)
        return ContextualReplacer(model.eval().to(device), tokenizer, self)


@dataclass(slots=True)
class _Hidden:
    """A text with words hidden."""

    text: str
    spans: list[Span]
    chosen: list[int]
    """Places of the hidden words that the model sees, ascending."""
    generator: np.random.Generator
    token_ids: list[int]
    """With the special tokens around it, and a mask token for each hidden word."""


class ContextualReplacer(Augmenter):
    """Hides words and has a model guess them."""

    def __init__(self, model: MaskedLM, tokenizer: Tokenizer, settings: Contextual) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._settings = settings
        self._words = WholeWords(tokenizer)
        self._device = model.encoder.embeddings.word.weight.device
        self._ids = torch.from_numpy(self._words.ids).to(self._device)

    def rewrite(self, texts: Sequence[str], draws: Draws) -> list[list[str]]:
        wanted = [(text, generator) for text, generators in zip(texts, draws, strict=True) for generator in generators]
        hidden = self._hide(wanted) if len(self._ids) > 1 else []
        written = [text for text, _ in wanted]
        # Sequences of like length together: the attention then has fewer groups to run.
        order = sorted((n for n, one in enumerate(hidden) if one.chosen), key=lambda n: len(hidden[n].token_ids))
        for batch in _batches(order, [len(one.token_ids) for one in hidden]):
            for number, text in zip(batch, self._guess([hidden[number] for number in batch]), strict=True):
                written[number] = text
        ends = [0, *accumulate(map(len, draws))]
        return [written[start:end] for start, end in pairwise(ends)]

    def _hide(self, wanted: Sequence[tuple[str, np.random.Generator]]) -> list[_Hidden]:
        hidden = []
        pieces: list[str] = []  # what stands around the hidden words of all texts, to be tokenized in one call
        for text, generator in wanted:
            spans = word_spans(text)
            chosen = sorted(draw(replaceable(text, spans), amount(self._settings.alpha, len(spans)), generator))
            bounds = [0, *(edge for place in chosen for edge in spans[place]), len(text)]
            # A mask stands for a word with the space before it, where the vocabulary's words have one.
            *before, last = (text[start:end] for start, end in zip(bounds[::2], bounds[1::2], strict=True))
            pieces += [*(piece.removesuffix(" ") for piece in before), last]
            hidden.append(_Hidden(text, spans, chosen, generator, []))
        around = iter(self._tokenizer.token_ids(pieces))
        template = self._model.encoder.architecture.template(self._tokenizer)
        for one in hidden:
            ids = [*template.start, *next(around)]
            for _ in one.chosen:
                ids += [self._tokenizer.mask_id, *next(around)]
            ids = ids[: self._model.encoder.longest - len(template.end)]
            one.token_ids = [*ids, *template.end]
            one.chosen = one.chosen[: ids.count(self._tokenizer.mask_id)]
        return hidden

    @torch.inference_mode()
    def _guess(self, hidden: Sequence[_Hidden]) -> list[str]:
        """Return the texts with other words in the hidden ones' places."""
        own = self._words.rows([one.text[slice(*one.spans[place])] for one in hidden for place in one.chosen])
        logits = self._logits([one.token_ids for one in hidden])
        for number, row in enumerate(own):
            if row is not None:
                logits[number, row] = -torch.inf
        top = logits.topk(min(self._settings.top_k, logits.shape[1] - 1))
        ladders = iter(top.values.double().softmax(1).cumsum(1).cpu().numpy())
        rows = iter(top.indices.cpu().numpy())
        written = []
        for one in hidden:
            words = {}
            for place in one.chosen:
                step = int(np.searchsorted(next(ladders)[:-1], one.generator.random(), side="right"))
                word = self._words.words[next(rows)[step]]
                words[place] = cased_like(word, one.text[slice(*one.spans[place])])
            written.append(replace_words(one.text, one.spans, words))
        return written

    def _logits(self, sequences: Sequence[list[int]]) -> Tensor:
        """Return logits (M, W) of the whole words at each mask token of the sequences."""
        lengths = [len(ids) for ids in sequences]
        token_ids = torch.tensor([token for ids in sequences for token in ids])
        batch = PackedBatch(
            token_ids,
            torch.zeros_like(token_ids),
            torch.cat([torch.arange(length) for length in lengths]),
            torch.tensor([0, *accumulate(lengths)]),
        )
        masks = (token_ids == self._tokenizer.mask_id).nonzero().flatten().to(self._device)
        logits: Tensor = self._model(batch.to(self._device), masks)
        return logits.index_select(1, self._ids).float()


def _batches(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Return the numbers of ``order`` in batches of at most ``TOKENS_AT_ONCE`` tokens; a longer one stands alone."""
    batches: list[list[int]] = []
    room = 0
    for number in order:
        if not batches or lengths[number] > room:
            batches.append([])
            room = TOKENS_AT_ONCE
        batches[-1].append(number)
        room -= lengths[number]
    return batches
