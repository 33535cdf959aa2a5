"""Folders as finished runs leave them, with answers that are made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from minbert.evaluation.answers import Answers, write_answers
from minbert.tasks.predictions import Predictions

ROWS = 400


def recipe(seed: int, **changes: Any) -> dict[str, Any]:
    """Return a recipe over two tasks, yes/no and a score."""
    files = {"train": "train.tsv", "dev": "dev.tsv"}
    return {
        "seed": seed,
        "tasks": {
            "same": {"kind": "binary", "files": files, "text": "text", "label": "label"},
            "close": {"kind": "regression", "range": [0, 5], "files": files, "text": "text", "label": "label"},
        },
        **changes,
    }


def finished_run(
    folder: Path, seed: int, same: float = 0.7, close: float = 0.7, rows: int = ROWS, **changes: Any
) -> Path:
    """Write a run whose answers are right with probability ``same``, and correlate by about ``close``."""
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe(seed, **changes), sort_keys=False))
    (folder / "metrics.json").write_text(json.dumps({"dev": {}}))
    truth, random = np.random.default_rng(0), np.random.default_rng([seed, round(1000 * same), round(1000 * close)])
    ids = [f"r{row}" for row in range(rows)]
    right, scores = truth.integers(0, 2, rows).astype(float), truth.uniform(0, 5, rows).round(1)
    ease = truth.random(rows)
    answered = np.where(ease + random.normal(0, 0.02, rows) < same, right, 1 - right)
    shared = truth.normal(0, 1, rows) + random.normal(0, 0.1, rows)
    guessed = scores + shared * scores.std() * np.sqrt(1 / close**2 - 1)
    yes = np.where(answered == 1, 0.9, 0.2)
    told = Predictions(answered, np.stack([1 - yes, yes], 1), ["no", "yes"])
    write_answers(folder, "same", "dev", Answers(ids, right, told))
    write_answers(folder, "close", "dev", Answers(ids, scores, Predictions(guessed, None, [])))
    return folder


def alone(task: str) -> dict[str, Any]:
    """Return the change of a recipe that trains one task alone."""
    return {"schedule": {"method": {"name": "single", "task": task}}}
