"""Small models with everything that a recipe can choose, and their texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minbert.multitask.model import MultitaskModel
from minbert.multitask.texts import Text
from minbert.tasks.settings import TaskSettings
from small_models import model_over, stir

WORDS = ["hello", "world", "this", "is", "a", "thing", "more", "don't", "the", "quick", "brown", "fox", "dogs", "café"]
KINDS: dict[str, dict[str, Any]] = {
    "classification": {"kind": "classification", "classes": ["no", "so-so", "yes"]},
    "binary": {"kind": "binary", "threshold": 0.4},
    "regression": {"kind": "regression", "range": [0, 5]},
    "ordinal": {"kind": "ordinal", "classes": 4},
    "multilabel": {"kind": "multilabel", "classes": ["a", "b", "c"], "thresholds": {"a": 0.3, "b": 0.6, "c": 0.5}},
}

SHARING: dict[str, tuple[Any, Any]] = {
    "nothing beside the encoder": ("none", "none"),
    "lora": ("lora", "none"),
    "lora of each task": ({"name": "lora", "per_task": True, "targets": ["key", "intermediate", "output"]}, "none"),
    "pals": ({"name": "pals", "heads": 2, "size": 6}, "none"),
    "bilstm": ("none", "bilstm"),
    "pals and bilstm": ({"name": "pals", "heads": 2, "size": 6}, {"name": "bilstm", "size": 5}),
}
"""What tasks can share: adapters and a shared layer."""


def model_of(
    encoder: Path, tasks: Mapping[str, Mapping[str, Any]], adapters: Any = "none", shared_layer: Any = "none"
) -> MultitaskModel:
    """Return a model with these tasks whose weights are all far from where they begin."""
    model = model_over(encoder, tasks, 40, adapters, shared_layer, seed=7)
    stir(model, 0.1)
    return model.eval()


def texts_of(task: TaskSettings, rows: int, random: np.random.Generator) -> list[Text]:
    """Return rows of a task, some of one word, some too long for the model."""

    def text() -> str:
        return " ".join(random.choice(WORDS, size=random.choice([1, 3, 9, 60])))

    return [text() if task.pair is None else (text(), text()) for _ in range(rows)]
