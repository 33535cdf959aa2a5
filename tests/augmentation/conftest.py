"""A WordNet of a few senses in the real file format, and what tests of several methods need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from minbert.augmentation.base import Augmenter
from minbert.randomness import generator

# A sense: part of speech, and its lemmas. The order within a part of speech is that of the file.
SENSES = [
    ("noun", ["film", "movie", "motion_picture"]),
    ("noun", ["film", "coating"]),
    ("noun", ["question", "query"]),
    ("noun", ["river"]),
    ("verb", ["film", "shoot"]),
    ("verb", ["learn", "acquire"]),
    ("adj", ["good", "fine"]),
    ("adj", ["cold", "Arctic"]),
    ("adv", ["badly", "poorly"]),
]
LETTERS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}


def write_wordnet(folder: Path) -> None:
    """Write ``SENSES`` as WordNet's database files (the manual's page wndb(5WN)), for nltk to find in ``folder``."""
    folder = folder / "corpora/wordnet"
    folder.mkdir(parents=True)
    for name, letter in LETTERS.items():
        data = "  1 WordNet 3.0 Copyright 2006 by nobody; a few senses for tests\n"
        places: dict[str, list[int]] = {}
        for lemmas in (lemmas for part, lemmas in SENSES if part == name):
            for lemma in lemmas:
                places.setdefault(lemma.lower(), []).append(len(data))
            words = " ".join(f"{lemma} 0" for lemma in lemmas)
            data += f"{len(data):08d} 00 {letter} {len(lemmas):02x} {words} 000 | a sense\n"
        (folder / f"data.{name}").write_text(data)
        lines = [
            f"{lemma} {letter} {len(where)} 0 {len(where)} 0 {' '.join(f'{place:08d}' for place in where)}\n"
            for lemma, where in sorted(places.items())
        ]
        (folder / f"index.{name}").write_text("  1 a heading\n" + "".join(lines))
        (folder / f"{name}.exc").write_text("shot shoot\n" if name == "verb" else "")
    (folder / "lexnames").write_text("00\tadj.all\t3\n")
    for name in ("index.sense", "cntlist.rev"):
        (folder / name).write_text("")


@pytest.fixture(scope="session")
def wordnet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nltk")
    write_wordnet(folder)
    return folder


@pytest.fixture
def tiny_wordnet(wordnet_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nltk find the WordNet of ``SENSES``, and no other."""
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(wordnet_folder)])


@pytest.fixture
def no_wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nltk find nothing."""
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nothing")])


Rewrite = Callable[..., list[str]]


@pytest.fixture
def rewrite() -> Rewrite:
    """Return many new texts of one, each by a generator of its own."""

    def many(augmenter: Augmenter, text: str, times: int = 200) -> list[str]:
        return augmenter.rewrite([text], [generators(times)])[0]

    return many


def generators(count: int, *names: str | int) -> Sequence[np.random.Generator]:
    return [generator(5, *names, number) for number in range(count)]
