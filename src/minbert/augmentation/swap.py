"""Some words change places."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from minbert.augmentation.base import Augmentation, Share, TextByText
from minbert.augmentation.words import amount, replace_words, word_spans


class Swap(Augmentation, TextByText):
    """``n = alpha l`` times, two words drawn at random change places; punctuation stays where it is."""

    name: ClassVar[str] = "swap"
    title: ClassVar[str] = "pairs of words change places"
    source: ClassVar[str] = "Wei & Zou 2019, 'EDA', section 2, random swap"

    alpha: Share = Field(0.1, description="how many swaps, as a share of a text's words; one at least")

    def load(self, device: torch.device) -> Swap:  # noqa: ARG002
        return self

    def rewrite_text(self, text: str, generator: np.random.Generator) -> str:
        spans = word_spans(text)
        if len(spans) < 2:
            return text
        words = [text[start:end] for start, end in spans]
        for _ in range(amount(self.alpha, len(spans))):
            one, other = generator.choice(len(words), size=2, replace=False)
            words[one], words[other] = words[other], words[one]
        return replace_words(text, spans, dict(enumerate(words)))
