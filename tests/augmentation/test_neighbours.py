"""Nearest neighbours among the word embeddings, against a search by hand in float64."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from minbert.augmentation import Augmentation
from minbert.augmentation.neighbours import NeighbourReplacer
from minbert.augmentation.words import STOP_WORDS, word_spans
from minbert.encoder.sources import load_encoder
from minbert.errors import UserError
from minbert.text.tokenizer import Tokenizer

CPU = torch.device("cpu")
Rewrite = Callable[..., list[str]]


def load(encoder: str | Path, **settings: object) -> NeighbourReplacer:
    tree = {"name": "neighbours", "encoder": str(encoder), **settings}
    replacer = Augmentation.model_validate(tree).load(CPU)
    assert isinstance(replacer, NeighbourReplacer)
    return replacer


def by_hand(folder: Path, word: str, nearest: int, cosine: float) -> set[str]:
    """Return the neighbours of ``word``, one comparison after the other."""
    vocabulary = Tokenizer.from_files(folder).vocabulary()
    table = load_encoder(str(folder)).embeddings.word.weight.detach().double().numpy()
    own = table[vocabulary[word]]
    found = []
    for token, index in vocabulary.items():
        if token.isalpha() and len(token) > 1 and token not in STOP_WORDS and token != word:
            other = table[index]
            found.append((float(own @ other / np.sqrt(own @ own) / np.sqrt(other @ other)), token))
    return {token for value, token in sorted(found, reverse=True)[:nearest] if value >= cosine}


@pytest.mark.parametrize(("nearest", "cosine"), [(1, -1), (3, -1), (5, 0.1), (50, 0.2)])
def test_like_a_search_by_hand(tiny_encoder: Path, nearest: int, cosine: float) -> None:
    replacer = load(tiny_encoder, nearest=nearest, cosine=cosine)
    for word in ("film", "dull", "rice", "cold"):
        assert replacer.neighbours(word) == sorted(by_hand(tiny_encoder, word, nearest, cosine))
    assert replacer.neighbours("Film") == replacer.neighbours("film"), "as the tokenizer reads it"


def test_of_minilm_too() -> None:
    from minbert.encoder.sources import find_encoder

    folder = find_encoder("minilm").folder
    assert load("minilm").neighbours("film") == sorted(by_hand(folder, "film", 5, 0.5)) != []


def test_words_come_from_the_neighbours_and_keep_their_capitals(tiny_encoder: Path, rewrite: Rewrite) -> None:
    text = "The Film, xyzzy and 22 the RICE on it?"
    replacer = load(tiny_encoder, nearest=3, cosine=-1, alpha=0.5)
    for new in rewrite(replacer, text):
        words = [new[start:end] for start, end in word_spans(new)]
        assert new == f"The {words[1]}, xyzzy and 22 the {words[6]} on it?", "pieces, numbers, stop words stay"
        assert words[1][0].isupper() and words[1].lower() in replacer.neighbours("film")
        assert words[6].isupper() and words[6].lower() in replacer.neighbours("rice")


@pytest.mark.parametrize("text", ["", "?!", "the", "xyzzy", "\U0001f600 5"])
def test_what_has_nothing_to_change_stays(tiny_encoder: Path, text: str, rewrite: Rewrite) -> None:
    assert set(rewrite(load(tiny_encoder), text, 5)) == {text}


def test_a_word_without_near_neighbours_stays(tiny_encoder: Path, rewrite: Rewrite) -> None:
    assert set(rewrite(load(tiny_encoder, cosine=0.99), "cold film", 5)) == {"cold film"}


def test_a_tokenizer_of_more_tokens_than_embeddings_is_told(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(tiny_encoder, folder)
    with (folder / "vocab.txt").open("a") as file:
        file.write("zebra\n")
    with pytest.raises(UserError, match="belong together"):
        load(folder)


def test_an_unknown_encoder_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no"):
        load(tmp_path / "empty")
