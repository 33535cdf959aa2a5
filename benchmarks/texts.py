"""Texts to measure with: made up with the lengths of the real ones, or the real ones; and the recipe that reads them.

Both come as the course's files, so that everybody who is measured reads the same rows by the same way.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from minbert.data.examples import Split
from minbert.display.progress import Display
from minbert.encoder.sources import find_encoder
from minbert.recipe.recipe import Recipe, load_recipe
from minbert.running.texts import Texts, read_texts
from minbert.text.tokenizer import Tokenizer

DEV_ROWS = 32
"""Of each task: a run scores dev, outside of what is timed, so few will do."""

SHARES = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)
TOKEN_QUANTILES = {
    "sentiment": (2, 9, 13, 16, 19, 22, 25, 28, 33, 39, 44, 53, 78),
    "paraphrase": (1, 7, 9, 10, 11, 12, 13, 15, 18, 23, 28, 39, 93),
    "similarity": (3, 6, 7, 8, 9, 10, 11, 14, 17, 24, 29, 36, 68),
}
"""WordPiece tokens of a text, special ones not counted: at most so many have ``SHARES`` of the texts in the course's
train files."""

FILES = {
    "sentiment": ("ids-sst", ("sentence",), "sentiment", 5),
    "paraphrase": ("quora", ("sentence1", "sentence2"), "is_duplicate", 2),
    "similarity": ("sts", ("sentence1", "sentence2"), "similarity", 6),
}
"""Each task's file (before ``-train.csv``), columns of texts, column of the label, and how many labels to draw from."""


def vocabulary_words(encoder: str) -> list[str]:
    """Return the plain words that the encoder's tokenizer takes as one token each, in the vocabulary's order."""
    tokenizer = find_encoder(encoder).tokenizer
    assert tokenizer is not None
    text = tokenizer.read_text(encoding="utf-8")
    vocabulary = json.loads(text)["model"]["vocab"] if tokenizer.suffix == ".json" else text.split("\n")
    return [word for word in vocabulary if word.isascii() and word.isalpha() and word.islower()]


class TextGenerator:
    """Makes texts of single-token words, so that a text's length in tokens is known; words are drawn by Zipf's law."""

    def __init__(self, words: Sequence[str], seed: int) -> None:
        self.words = np.array(words)
        self.random = np.random.default_rng(seed)
        frequencies = 1 / np.arange(1, len(words) + 1)
        self.frequencies = frequencies / frequencies.sum()

    def lengths(self, task: str, texts: int) -> list[int]:
        """Return token counts (without special tokens) drawn from the task's distribution."""
        drawn: list[int] = (
            np.interp(self.random.random(texts), SHARES, TOKEN_QUANTILES[task]).round().astype(int).tolist()
        )
        return drawn

    def texts(self, lengths: Sequence[int]) -> list[str]:
        """Return a text of as many tokens as each length says."""
        words = self.random.choice(self.words, size=sum(lengths), p=self.frequencies)
        return [" ".join(part) for part in np.split(words, np.cumsum(lengths)[:-1])]


def write_generated(folder: Path, rows: int, encoder: str, seed: int, dev_rows: int = DEV_ROWS) -> None:
    """Write the course's files into ``folder``, with ``rows`` training rows and ``dev_rows`` dev rows of each task.

    Labels take turns.
    """
    generator = TextGenerator(vocabulary_words(encoder), seed)
    for task, (file, columns, label, labels) in FILES.items():
        for split, count in (("train", rows), ("dev", dev_rows)):
            drawn = [generator.texts(generator.lengths(task, count)) for _ in columns]
            with (folder / f"{file}-{split}.csv").open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream, delimiter="\t")
                writer.writerow(["", "id", *columns, label])
                for number, texts in enumerate(zip(*drawn, strict=True)):
                    writer.writerow([number, f"{split}{number}", *texts, number % labels])


def benchmark_recipe(
    data: Path, rows: int, epochs: int, batch: int, tasks: Sequence[str] = tuple(FILES), **changes: Any
) -> Recipe:
    """Return the course's recipe over ``data`` with ``rows`` rows of each of ``tasks``.

    All tasks have as many rows, so a pass over one is a pass over all, and every row is trained on ``epochs`` times.
    ``changes`` are more of the recipe's keys, with ``__`` for the dots.
    """
    overrides: dict[str, Any] = {"data": str(data), "schedule.batch_size": batch, "training.epochs": epochs}
    overrides |= {"optimizer.head_learning_rate": None}
    for task in FILES:
        if task in tasks:
            overrides |= {f"tasks.{task}.rows": rows, f"tasks.{task}.dev_rows": DEV_ROWS}
            overrides[f"tasks.{task}.files.test"] = None
        else:
            overrides[f"tasks.{task}"] = None
    overrides |= {key.replace("__", "."): value for key, value in changes.items()}
    return load_recipe("cs224n/multitask", overrides)


def rows_of(recipe: Recipe) -> Texts:
    """Return the rows of every split and task, the ones that ``minbert train`` takes."""
    return read_texts(recipe, Display(Console(quiet=True)))


def training_rows(recipe: Recipe) -> dict[str, Split]:
    """Return the training rows of every task."""
    texts = rows_of(recipe)
    return {name: texts["train", name] for name in recipe.tasks}


def real_tokens(recipe: Recipe, rows: dict[str, Split]) -> dict[str, list[int]]:
    """Return the length of each sequence of one pass, special tokens counted and padding not, by task."""
    tokenizer = Tokenizer.from_files(find_encoder(recipe.encoder.name).folder)
    limit = recipe.encoder.max_length
    return {
        name: [min(len(ids) + 2, limit) for ids in tokenizer.token_ids([*split.first, *(split.second or [])])]
        for name, split in rows.items()
    }
