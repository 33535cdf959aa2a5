"""The rows that every contestant trains on and is scored on, and how answers to them are scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minbert.data.examples import Split
from minbert.recipe.recipe import Recipe, load_recipe
from minbert.running.texts import Texts
from minbert.tasks.metrics import METRICS
from texts import FILES, rows_of

METRIC = {"sentiment": "accuracy", "paraphrase": "accuracy", "similarity": "pearson"}
"""The score of each of the course's three tasks."""
LEAST = 32
"""Rows of a task: with fewer, a class might have none."""


@dataclass(frozen=True)
class Course:
    """The course's three tasks in its own files, whole or a part of them."""

    data: Path
    encoder: str
    seed: int
    most: int | None
    """At most so many training rows, and so many dev rows, of each task: for a trial."""

    def recipe(self, name: str, share: float = 1.0, changes: Mapping[str, Any] | None = None) -> Recipe:
        """Return one of our recipes over a share of each task's training rows, drawn by the seed."""
        overrides: dict[str, Any] = {**self._common, **(changes or {})}
        for task in FILES:
            size = self._sizes["train", task]
            overrides[f"tasks.{task}.rows"] = max(min(LEAST, size), round(share * size))
            overrides[f"tasks.{task}.dev_rows"] = self._sizes["dev", task]
        return load_recipe(name, overrides)

    def read(self, share: float = 1.0) -> Texts:
        """Return the rows of those recipes, for contestants who read no recipes."""
        return rows_of(self.recipe("cs224n/multitask", share))

    @property
    def _common(self) -> dict[str, Any]:
        files = {f"tasks.{task}.files.test": None for task in FILES}
        files["tasks.paraphrase.files.train"] = "quora-train.csv"
        return {"data": str(self.data), "encoder.name": self.encoder, "seed": self.seed, **files}

    @cached_property
    def _sizes(self) -> dict[tuple[str, str], int]:
        whole = rows_of(load_recipe("cs224n/multitask", self._common))
        return {key: min(len(rows), self.most or len(rows)) for key, rows in whole.items()}


def training_and_dev(texts: Texts) -> tuple[dict[str, Split], dict[str, Split]]:
    """Return the training rows and the dev rows of each task."""
    train, dev = ({task: texts[split, task] for task in FILES} for split in ("train", "dev"))
    return train, dev


def score(task: str, rows: Split, answers: NDArray[Any]) -> float:
    """Return the task's score of answers (R,) to its rows: classes, 0 or 1, or similarities of any scale."""
    assert rows.labels is not None
    return float(METRICS[METRIC[task]].of_rows(rows.labels, np.asarray(answers, np.float64)))


def best_threshold(labels: NDArray[Any], cosines: NDArray[Any]) -> float:
    """Return the cosine from which on a "yes" makes the fewest mistakes."""
    order = np.argsort(-cosines, kind="stable")
    gain = np.cumsum(2 * labels[order] - 1)  # of a "yes" to the first so many, over a "no" to all
    return float(cosines[order[gain.argmax()]])
