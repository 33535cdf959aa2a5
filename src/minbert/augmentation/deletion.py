"""Some words are left out."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from minbert.augmentation.base import Augmentation, Share, TextByText
from minbert.augmentation.words import word_spans


class Deletion(Augmentation, TextByText):
    """Each word is left out with probability ``alpha``, but one at least, and never the last that is left.

    The paper leaves out none where chance says so; the other three operations change one word at least, and here this
    one does, too: a row that stays as it is would be dropped. A text of one word stays as it is.
    """

    name: ClassVar[str] = "deletion"
    title: ClassVar[str] = "some words left out"
    source: ClassVar[str] = "Wei & Zou 2019, 'EDA', section 2, random deletion"

    alpha: Share = Field(0.1, description="the chance of a word to be left out")

    def load(self, device: torch.device) -> Deletion:  # noqa: ARG002
        return self

    def rewrite_text(self, text: str, generator: np.random.Generator) -> str:
        spans = word_spans(text)
        if len(spans) < 2:
            return text
        gone = generator.random(len(spans)) < self.alpha
        if gone.all() or not gone.any():
            gone[generator.integers(len(spans))] = not gone[0]
        kept = ""
        end = 0
        for (start, next_end), left_out in zip(spans, gone, strict=True):
            kept = _joined(kept, text[end:start])
            if not left_out:
                kept += text[start:next_end]
            end = next_end
        return _joined(kept, text[end:]).strip()


def _joined(text: str, more: str) -> str:
    """Return both, end to end; a word that is gone takes the white space on one side of it along."""
    return text + (more.lstrip() if not text or text[-1].isspace() else more)
