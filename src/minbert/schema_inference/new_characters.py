"""Whether the texts have characters, such as emoji or Han, that the encoder's vocabulary lacks."""

from __future__ import annotations

from collections.abc import Sequence

from minbert.encoder.sources import find_encoder
from minbert.errors import printable
from minbert.schema_inference.found import Findings, InferredTask
from minbert.text.new_characters import unknown_characters
from minbert.text.tokenizer import Tokenizer

_LEAST = 3
"""In so many texts a character must be found: from fewer its embedding learns these texts."""
_SHARE = 0.01
"""Of a task's rows; where fewer have such a character, tokens for them change nothing that could be scored."""
_SHOWN = 3


def choose_new_characters(tasks: Sequence[InferredTask], name: str, encoder: Findings) -> None:
    """Set ``new_characters`` where tokens for them may tell something; the figures are in docs/defaults.md.

    Raises:
        UserError: there is no such encoder.
    """
    tokenizer = Tokenizer.from_files(find_encoder(name).folder)
    for task in tasks:
        new = unknown_characters(tokenizer, (text for row in task.texts for text in row), _LEAST)
        telling = set(new)
        rows = sum(not telling.isdisjoint("".join(row)) for row in task.texts)
        if new and rows >= _SHARE * len(task.texts):
            share, shown = f"{rows / len(task.texts):.0%}", printable(" ".join(new[:_SHOWN]))
            told = f"{share} of the rows of '{task.name}' have characters that {name} does not know, such as {shown}"
            encoder.set("new_characters", _LEAST, f"{told}; those in so many texts become tokens")
            return
