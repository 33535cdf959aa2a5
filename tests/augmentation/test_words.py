"""Words of a text: where they are, and how they are replaced."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minbert.augmentation.words import amount, cased_like, draw, replace_words, replaceable, word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" ... -- !?", []),
        ("one", ["one"]),
        ('"Don\'t stop", he said (twice).', ["Don't", "stop", "he", "said", "twice"]),
        ("a nine-year-old at 3.5 km,  e.g. here", ["a", "nine-year-old", "at", "3.5", "km", "e.g", "here"]),
        ("Cafe\u0301 \U0001f600 नमस्ते 你好!", ["Cafe\u0301", "नमस्ते", "你好"]),
    ],
)
def test_words_stand_between_white_space_and_outer_punctuation(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in word_spans(text)] == words


def test_numbers_stop_words_and_compounds_are_not_replaced() -> None:
    text = "The 2 films were NOT what I'd call well-made cinema"
    words = [text[start:end] for start, end in word_spans(text)]
    assert [words[place] for place in replaceable(text, word_spans(text))] == ["films", "call", "cinema"]


@pytest.mark.parametrize(
    ("alpha", "words", "expected"), [(0.1, 1, 1), (0.1, 14, 1), (0.1, 15, 2), (0.5, 7, 4), (1, 9, 9), (0.01, 0, 1)]
)
def test_amounts_are_rounded_and_one_at_least(alpha: float, words: int, expected: int) -> None:
    assert amount(alpha, words) == expected


def test_draws_are_distinct_and_as_likely() -> None:
    random = np.random.default_rng(0)
    drawn = [draw([3, 5, 8, 9], 2, random) for _ in range(4000)]
    assert all(len(set(places)) == 2 for places in drawn)
    shares = [sum(place in places for places in drawn) / 4000 for place in (3, 5, 8, 9)]
    assert shares == pytest.approx([0.5] * 4, abs=0.04)
    assert sorted(draw([3, 5], 7, random)) == [3, 5]


@pytest.mark.parametrize(
    ("word", "model", "expected"),
    [
        ("movie", "film", "movie"),
        ("movie", "Film", "Movie"),
        ("motion picture", "FILM", "MOTION PICTURE"),
        ("one", "I", "One"),
        ("Arctic", "cold", "Arctic"),
        ("élan", "Verve", "Élan"),
    ],
)
def test_a_word_takes_the_capitals_of_the_one_it_replaces(word: str, model: str, expected: str) -> None:
    assert cased_like(word, model) == expected


@given(st.text(max_size=60), st.data())
def test_what_is_between_words_stays(text: str, data: st.DataObject) -> None:
    spans = word_spans(text)
    places = data.draw(st.sets(st.sampled_from(range(len(spans))))) if spans else set()
    changed = replace_words(text, spans, dict.fromkeys(places, "\x00"))
    assert changed.count("\0") == text.count("\0") + len(places) - sum(
        text[slice(*spans[place])].count("\0") for place in places
    )
    expected = "".join(
        "\0" if any(start == index for start, _ in (spans[p] for p in places)) else character
        for index, character in enumerate(text)
        if not any(start < index < end for start, end in (spans[p] for p in places))
    )
    assert changed == expected
