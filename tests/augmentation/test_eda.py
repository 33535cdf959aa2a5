"""The four operations of EDA, each by its law."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from minbert.augmentation import Augmentation
from minbert.augmentation.wordnet import load_wordnet
from minbert.augmentation.words import word_spans
from minbert.errors import UserError

CPU = torch.device("cpu")
Rewrite = Callable[..., list[str]]

OPERATIONS = ["synonyms", "insertion", "swap", "deletion"]
TEXT = 'A good film, "is" a QUESTION; cold rivers learn films.'
OTHERS = {
    "film": {"movie", "motion picture", "coating", "shoot"},
    "question": {"query"},
    "good": {"fine"},
    "cold": {"arctic"},
    "learn": {"acquire"},
}
OTHERS["films"] = OTHERS["film"]


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in word_spans(text)]


def load(name: str, **settings: object) -> object:
    return Augmentation.model_validate({"name": name, **settings}).load(CPU)


@pytest.mark.usefixtures("tiny_wordnet")
def test_synonyms_are_the_other_lemmas_of_all_senses() -> None:
    wordnet = load_wordnet()
    assert {word: set(map(str.casefold, wordnet.synonyms(word))) for word in OTHERS} == OTHERS
    assert wordnet.synonyms("shot") == ["film"], "by the list of exceptions"
    assert (
        wordnet.synonyms("river")
        == wordnet.synonyms("rivers")
        == wordnet.synonyms("zzz")
        == wordnet.synonyms("...")
        == []
    )
    assert wordnet.synonyms("FILM") == wordnet.synonyms("film") == sorted(wordnet.synonyms("film"), key=str.casefold)


@pytest.mark.usefixtures("tiny_wordnet")
@pytest.mark.parametrize(("alpha", "changed"), [(0.1, 1), (0.2, 2), (0.4, 4), (1, 6)])
def test_synonym_replacement(alpha: float, changed: int, rewrite: Rewrite) -> None:
    seen: dict[str, set[str]] = {}
    for text in rewrite(load("synonyms", alpha=alpha), TEXT):
        # Putting "motion picture" as one word makes old and new texts of equal length.
        pairs = list(zip(words(TEXT), words(text.replace("ion p", "ion_p").replace("ION P", "ION_P")), strict=True))
        different = [(old, new.replace("_", " ")) for old, new in pairs if old != new]
        assert len(different) == changed
        for old, new in different:
            assert new.casefold() in OTHERS[old.casefold()]
            assert old != "QUESTION" or new == "QUERY"
            seen.setdefault(old.casefold(), set()).add(new.casefold())
        assert text.endswith(".") and '"is" a ' in text
    assert seen == OTHERS, "every word and every synonym has its turn"


@pytest.mark.usefixtures("tiny_wordnet")
@pytest.mark.parametrize(("alpha", "more"), [(0.1, 1), (0.3, 3)])
def test_insertion_adds_synonyms_of_words_that_are_there(alpha: float, more: int, rewrite: Rewrite) -> None:
    known = {word for synonyms in OTHERS.values() for word in synonyms}
    first, last = set(), set()
    for text in rewrite(load("insertion", alpha=alpha), TEXT, 300):
        new = words(text.replace("motion picture", "motion_picture"))
        added = Counter(new) - Counter(words(TEXT))
        assert added.total() == more
        assert not Counter(words(TEXT)) - Counter(new)
        assert {word.replace("_", " ").casefold() for word in added} <= known
        assert "  " not in text and text.endswith(".")
        first.add(new[0] != "A")
        last.add(new[-1] != "films")
    assert first == last == {True, False}, "also before the first word and after the last"


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_swap_keeps_the_words_and_everything_between(alpha: float, rewrite: Rewrite) -> None:
    places = set()
    for text in rewrite(load("swap", alpha=alpha), TEXT):
        assert Counter(words(text)) == Counter(words(TEXT))
        assert "".join(c for c in text if not c.isalpha()) == "".join(c for c in TEXT if not c.isalpha())
        moved = [place for place, (old, new) in enumerate(zip(words(TEXT), words(text), strict=True)) if old != new]
        assert len(moved) <= 2 * max(1, int(alpha * 10 + 0.5))
        places.update(moved)
        if alpha == 0.1:
            assert len(moved) == 2
    assert places == set(range(10))


def test_two_words_change_places(rewrite: Rewrite) -> None:
    assert set(rewrite(load("swap"), "cold river!", 5)) == {"river cold!"}


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1])
def test_deletion_leaves_words_in_order_and_never_none(alpha: float, rewrite: Rewrite) -> None:
    old = words(TEXT)
    kept = []
    for text in rewrite(load("deletion", alpha=alpha), TEXT, 1000):
        left = iter(old)
        assert all(word in left for word in words(text)), "in the order they had"
        kept.append(len(words(text)))
        assert text == text.strip() and "  " not in text
    assert min(kept) >= 1 and max(kept) < len(old)
    share = 1 - sum(kept) / len(kept) / len(old)
    # As each word is left out with chance alpha, but one at least, and not all.
    none, everything = (1 - alpha) ** 10, alpha**10
    assert share == pytest.approx((10 * alpha + none - everything) / 10, abs=0.02)


def test_a_word_that_goes_takes_one_of_its_spaces(rewrite: Rewrite) -> None:
    assert set(rewrite(load("deletion"), "Hello, world")) == {"Hello,", ", world"}
    assert set(rewrite(load("deletion", alpha=0.01), "a b c")) >= {"b c", "a c", "a b"}


@pytest.mark.usefixtures("tiny_wordnet")
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("text", ["?! ...", "The", "7", "\U0001f600", "的"])
def test_what_has_nothing_to_change_stays(name: str, text: str, rewrite: Rewrite) -> None:
    assert set(rewrite(load(name), text, 5)) == {text}


@pytest.mark.usefixtures("tiny_wordnet")
def test_one_word(rewrite: Rewrite) -> None:
    assert set(rewrite(load("synonyms"), "Question?", 5)) == {"Query?"}
    assert set(rewrite(load("insertion"), "Question?", 20)) == {"query Question?", "Question query?"}


@pytest.mark.usefixtures("no_wordnet")
@pytest.mark.parametrize("name", ["synonyms", "insertion"])
def test_a_missing_wordnet_is_told_with_what_to_do(name: str) -> None:
    with pytest.raises(UserError, match=r"nltk does not find.*python -m nltk.downloader wordnet"):
        load(name)


def test_a_damaged_wordnet_is_told(wordnet_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    shutil.copytree(wordnet_folder, tmp_path / "nltk")
    (tmp_path / "nltk/corpora/wordnet/index.noun").unlink()
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])
    with pytest.raises(UserError, match=r"cannot be read.*Remove it"):
        load("synonyms")


def test_a_missing_nltk_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk.corpus.reader.wordnet", None)
    with pytest.raises(UserError, match=r"pip install 'minbert\[augmentation\]'"):
        load("synonyms")
