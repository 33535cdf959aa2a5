"""What an augmentation is: a way to write a text anew so that its label still holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field

from minbert.methods import Method

Share = Annotated[float, Field(gt=0, le=1)]

Draws = Sequence[Sequence[np.random.Generator]]
"""Of each text, a generator for every new text that is wanted of it."""


class Augmenter(ABC):
    """An augmentation with all that it needs loaded."""

    @abstractmethod
    def rewrite(self, texts: Sequence[str], draws: Draws) -> list[list[str]]:
        """Return of each text as many new ones as it has generators; one that cannot be changed as it is.

        What becomes of a text follows from the text and its generators, and from no other text.
        """


class TextByText(Augmenter):
    """An augmenter that needs no batch."""

    @abstractmethod
    def rewrite_text(self, text: str, generator: np.random.Generator) -> str:
        """Return ``text`` written anew."""

    def rewrite(self, texts: Sequence[str], draws: Draws) -> list[list[str]]:
        return [
            [self.rewrite_text(text, generator) for generator in generators]
            for text, generators in zip(texts, draws, strict=True)
        ]


class Augmentation(Method):
    """A way to write texts anew."""

    family: ClassVar[str] = "augmentation"

    copies: int = Field(
        1, ge=1, le=100, description="new rows made of a row; one that says what another says is dropped"
    )

    @abstractmethod
    def load(self, device: torch.device) -> Augmenter:
        """Return what rewrites texts; models it needs are put on ``device``.

        Raises:
            UserError: files, models or packages it needs are missing or do not serve.
        """
