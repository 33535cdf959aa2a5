"""Run folders written by hand: what a finished run leaves, without training anything."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from minbert.data.examples import read_split
from minbert.data.places import resolve_data
from minbert.evaluation.answers import Answers, write_answers
from minbert.files import write_json, write_text
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.training.scoring import score_dev

STEPS = (0, 3, 6)


def recipe_of(tree: dict[str, Any], **changes: Any) -> Recipe:
    """Return a recipe with top-level keys changed."""
    return parse_recipe(deepcopy(tree) | changes, "test")


def write_run(folder: Path, recipe: Recipe, *, finished: bool = True, skill: float = 0.6) -> Path:
    """Write a run of ``recipe`` that is right as often as ``skill``, and return its folder."""
    random = np.random.default_rng(recipe.seed)
    write_text(folder / "recipe.yaml", recipe.to_yaml())
    answers = {}
    for name, task in recipe.tasks.items():
        split = read_split(resolve_data(recipe.data) / task.files.by_split["dev"], task, task.kind)
        assert split.labels is not None
        if not task.kind.class_names:
            given = task.kind.decided(split.labels + random.normal(0, 1.5, len(split)))
        else:
            sharp = np.eye(len(task.kind.class_names))[split.labels.astype(int)] * 4 * skill
            noisy = np.exp(sharp + random.normal(0, 1.2, (len(split), len(task.kind.class_names))))
            given = task.kind.decided(noisy / noisy.sum(1, keepdims=True))
        answers[name] = (given, split.labels)
        if finished:
            write_answers(folder, name, "dev", Answers(split.ids, split.labels, given))
    dev = score_dev(recipe.tasks, answers)
    names = list(recipe.tasks)
    lines = [
        {
            "step": step,
            "seconds": float(step),
            "losses": dict.fromkeys(names, 1.0 / (1 + step)) if step else {},
            "combination": {"weights": dict.fromkeys(names, 1.0)} if step else {},
            "regularization": {},
            "dev": dev.as_json(),
        }
        for step in STEPS
    ]
    write_text(folder / "history.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    if finished:
        metrics = {
            "dev": dev.as_json(),
            "best_step": 6,
            "best_of_task": {name: {"score": score, "step": 3} for name, score in dev.primary.items()},
            "steps": 6,
            "trained_parameters": 1234,
            "train_seconds": 2.5,
            "examples_per_second": 40.0,
            "real_tokens_per_second": 400.0,
            "peak_memory_mb": 512.0,
            "encoder": recipe.encoder.name,
            "seed": recipe.seed,
            "torch": "2.13.0",
            "threads": 1,
            "device": "cpu",
            "before_training": dev.as_json(),
            "baselines": {name: {"name": "majority (<b>)", "score": 0.25} for name in names},
        }
        write_json(folder / "metrics.json", metrics)
    return folder
