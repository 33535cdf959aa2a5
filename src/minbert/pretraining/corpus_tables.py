"""The tokens of a corpus, on the disk: worked out once, and kept in the cache for later runs."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from minbert.data.corpora import divided
from minbert.data.opened import opened
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files import write_json
from minbert.files.cache import cached_folder
from minbert.files.digests import remembered_sha256
from minbert.pretraining.corpus_texts import CorpusTexts
from minbert.pretraining.recipe import PretrainingRecipe
from minbert.text.distinct import DistinctTexts
from minbert.text.token_files import TokenWriter, mapped_table
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer

CORPORA = "corpora"
"""In the cache: a folder for each corpus."""

_TRAIN, _HELD_OUT = "train", "held-out"


@dataclass(frozen=True, slots=True)
class CorpusTables:
    """The distinct texts of a corpus, tokenized; see ``divided`` for their order and division."""

    key: str
    """Changes with the tokens."""
    train: TokenTable
    held_out: TokenTable


def corpus_tables(recipe: PretrainingRecipe, name: str, tokenizer: Tokenizer, display: Display) -> CorpusTables:
    """Return the tokens of the corpus ``name``: from the cache, or else read, tokenized and put there.

    The key is made of the files' SHA-256, of all that says how they are read and divided, of the tokenizer and of
    minbert's version. So what changed is never served from the cache, and the same texts are found there by any
    recipe.

    Raises:
        UserError: the files cannot be used, change while they are read, or the cache cannot be written to.
    """
    settings = recipe.corpora[name]
    texts = CorpusTexts.of_corpus(recipe, name, settings)
    about = _about(recipe, name, texts, tokenizer)

    def make(folder: Path) -> None:
        scratch = folder / "scratch"
        scratch.mkdir()
        with display.counting(f"reading {name}") as bar:
            distinct = DistinctTexts(lambda: texts, scratch, bar.advance)
        total = min(len(distinct), settings.at_most or len(distinct))
        with (
            display.counting(f"tokenizing {name}", total) as bar,
            TokenWriter(folder / _TRAIN, tokenizer, bar.advance) as train,
            TokenWriter(folder / _HELD_OUT, tokenizer, bar.advance) as held_out,
        ):
            parts = divided(distinct, recipe.held_out.share, settings.at_most, recipe.seed, name)
            for text, is_held_out in parts:
                (held_out if is_held_out else train).add(text)
        shutil.rmtree(scratch)
        if _about(recipe, name, texts, tokenizer) != about:
            raise UserError(f"corpora.{name}: its files changed while they were read. Start again.")
        write_json(folder / "about.json", about)

    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    folder = cached_folder(
        CORPORA,
        key,
        make,
        lambda busy: display.note(f"{name}'s tokens: another process makes them ({busy.holder}). This one waits."),
    )
    return CorpusTables(key, mapped_table(folder / _TRAIN), mapped_table(folder / _HELD_OUT))


def _about(recipe: PretrainingRecipe, name: str, texts: CorpusTexts, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return all that a corpus's tokens follow from."""
    settings = recipe.corpora[name]
    return {
        "files": [_digest(path) for path in texts.paths],
        "read": texts.how_read,
        "held_out": recipe.held_out.share,
        "drawn": None if settings.at_most is None else [settings.at_most, recipe.seed, name],
        "tokenizer": tokenizer.fingerprint,
        "minbert": version("minbert"),
    }


def _digest(path: Path) -> str:
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{path}: is no plain file, and texts are read twice. Write them into a file.")
    with opened(path):  # which tells best what may be wrong with it
        pass
    return remembered_sha256(path)
