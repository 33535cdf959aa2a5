"""Tokens for the characters of the training texts that an encoder's vocabulary lacks."""

from __future__ import annotations

from minbert.display.progress import Display
from minbert.encoder.encoder import Encoder
from minbert.errors import printable
from minbert.recipe.recipe import Recipe
from minbert.running.texts import Texts
from minbert.text.new_characters import unknown_characters
from minbert.text.tokenizer import Tokenizer

_SHOWN = 8


def add_new_characters(
    recipe: Recipe, texts: Texts, encoder: Encoder, tokenizer: Tokenizer, display: Display
) -> Tokenizer:
    """Return the tokenizer with tokens for the characters that it lacks; ``encoder`` is given embeddings for them.

    There are none where the encoder's own weights stay as they are: nothing would train those embeddings.
    """
    least = recipe.encoder.new_characters
    if least is None:
        return tokenizer
    if recipe.training.encoder == "frozen" or not recipe.encoder.adapters.trains_encoder:
        display.note("encoder.new_characters: no tokens are added, as training leaves the encoder's own weights alone")
        return tokenizer
    columns = [column for name in recipe.tasks for column in texts["train", name].columns]
    characters = unknown_characters(tokenizer, (text for column in columns for text in column), least)
    if not characters:
        return tokenizer
    longer = tokenizer.with_tokens(characters)
    encoder.add_word_embeddings(range(tokenizer.vocabulary_size, longer.vocabulary_size))
    shown = printable(" ".join(characters[:_SHOWN])) + " ..." * (len(characters) > _SHOWN)
    display.note(f"{len(characters):,} characters that {recipe.encoder.name} does not know have new tokens: {shown}")
    return longer
