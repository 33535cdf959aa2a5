"""Synonyms from WordNet (Miller 1995), read by nltk."""

from __future__ import annotations

import warnings
from typing import Any

from minbert.errors import UserError

_PARTS_OF_SPEECH = ("n", "v", "a", "r")


class WordNet:
    """Synonyms of English words."""

    def __init__(self, reader: Any) -> None:
        """``reader`` is nltk's, or answers ``synsets(word)`` and ``morphy(word, part of speech)`` as that does."""
        self._reader = reader
        self._known: dict[str, list[str]] = {}

    def synonyms(self, word: str) -> list[str]:
        """Return the other lemmas of all senses of ``word``, in the order of the alphabet, each once.

        WordNet brings ``word`` to its base form first ("films" to "film"), which is no synonym either. A lemma of
        several words has spaces between them.
        """
        key = word.casefold()
        if key not in self._known:
            names = {name.replace("_", " ") for sense in self._reader.synsets(key) for name in sense.lemma_names()}
            other = {name.casefold(): name for name in sorted(names)}
            for form in {key, *(self._reader.morphy(key, part) for part in _PARTS_OF_SPEECH)}:
                other.pop(form, None)
            # Sorted: the order of a set changes from process to process, and what is drawn from it with it.
            self._known[key] = [other[name] for name in sorted(other)]
        return self._known[key]


def load_wordnet() -> WordNet:
    """Return the WordNet that nltk finds in its data folders (``NLTK_DATA`` names more of them).

    Raises:
        UserError: nltk is not installed, or its WordNet is missing or damaged.
    """
    try:
        from nltk.corpus.reader.wordnet import WordNetCorpusReader
        from nltk.corpus.util import LazyCorpusLoader
    except ImportError:
        raise UserError(
            "synonyms come from WordNet by way of nltk, which is not installed. Run: "
            "pip install 'minbert[augmentation]'"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nltk would tell that other languages than English are missing
            reader = LazyCorpusLoader("wordnet", WordNetCorpusReader, None)
            reader.ensure_loaded()
    except LookupError:
        raise UserError(
            "synonyms come from WordNet, which nltk does not find on this machine. Run: python -m nltk.downloader "
            "wordnet (or unpack nltk's wordnet.zip in a folder 'corpora' of a folder that NLTK_DATA names). The method "
            "'neighbours' needs no such data."
        ) from None
    except (OSError, ValueError, AssertionError) as error:
        raise UserError(
            f"nltk's WordNet cannot be read ({error}). Remove it and run: python -m nltk.downloader wordnet"
        ) from error
    return WordNet(reader)
