"""New texts for pretraining, made from training texts. They, and the texts of their corpus, are held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from minbert.augmentation.rows import RowAugmenter
from minbert.augmentation.tables import new_rows_table
from minbert.data.corpora import divided
from minbert.data.examples import same_content
from minbert.display.progress import Display
from minbert.machine.device import available_device
from minbert.pretraining.corpus_texts import CorpusTexts
from minbert.pretraining.recipe import PretrainingRecipe
from minbert.text.distinct import DistinctTexts
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class NewTexts:
    """The texts that augmentation made for a corpus. They come after its own."""

    table: TokenTable
    written: str
    """The table of them that a run keeps."""


def new_texts(recipe: PretrainingRecipe, tokenizer: Tokenizer, display: Display) -> dict[str, NewTexts]:
    """Return the new texts of each corpus with augmentation.

    None is made from a text that is held out of its corpus, nor kept if it says what a held-out text of any says.
    """
    augmented = {name: settings for name, settings in recipe.corpora.items() if settings.augmentation}
    if not augmented:
        return {}
    augmenter = RowAugmenter(recipe.seed, available_device())
    held_out: set[str] = set()
    trained: dict[str, list[str]] = {}
    for name in recipe.corpora:
        for text, is_held_out in _divided(recipe, name):
            if is_held_out:
                held_out.add(same_content([text]))
            elif name in augmented:
                trained.setdefault(name, []).append(text)
    made = {}
    for name, settings in augmented.items():
        texts = trained[name]
        ids = [str(number) for number in range(1, len(texts) + 1)]
        with display.counting(f"augmenting {name}", len(ids) * len(settings.augmentation)) as bar:
            rows = augmenter.new_rows(settings.augmentation, ids, [(text,) for text in texts], bar.advance)
        there = set(texts)
        distinct = {row.texts[0]: row for row in reversed(rows)}  # of equal ones the first
        kept = [
            row
            for row in rows
            if distinct[row.texts[0]] is row and row.texts[0] not in there and same_content(row.texts) not in held_out
        ]
        display.note(f"{name}: {len(kept):,} new texts beside {len(ids):,}")
        table, _ = TokenTable.from_texts([row.texts[0] for row in kept], tokenizer)
        made[name] = NewTexts(table, new_rows_table(kept, ids, None))
    return made


def _divided(recipe: PretrainingRecipe, name: str) -> Iterator[tuple[str, bool]]:
    settings = recipe.corpora[name]
    texts = CorpusTexts.of_corpus(recipe, name, settings)
    with TemporaryDirectory() as scratch:
        distinct = DistinctTexts(lambda: texts, Path(scratch))
        yield from divided(distinct, recipe.held_out.share, settings.at_most, recipe.seed, name)
