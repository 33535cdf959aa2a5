"""What tests of adapters and shared layers have in common: a small model of three tasks, and a batch of them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minbert.multitask.model import MultitaskModel
from minbert.multitask.network import Span
from minbert.packed import PackedBatch, concatenate
from small_models import model_over, stir

TASKS: dict[str, Any] = {
    "mood": {"kind": "classification", "classes": ["low", "high", "none"], "pooling": "pooler"},
    "same": {"kind": "binary", "pair": "cross", "pooling": "cls"},
    "close": {"kind": "regression", "range": [0, 5], "pair": "bi"},
}
TEXTS: dict[str, Any] = {
    "mood": ["a good film", "rice", "how do people cook rice on cold days"],
    "same": [("a good film", "how do people cook"), ("rice", "a cold river")],
    "close": [("why", "why do people learn"), ("a dull film", "rice")],
}


def build(folder: Path, adapters: Any = "none", shared_layer: Any = "none", *, stirred: bool = True) -> MultitaskModel:
    """Return the model; where ``stirred``, no weight beside the encoder is zero, so that everything has an effect."""
    model = model_over(folder, TASKS, 64, adapters, shared_layer, seed=0)
    for module in model.fresh_modules() if stirred else ():
        stir(module)
    return model.eval()


def joint(model: MultitaskModel, tasks: list[str]) -> tuple[PackedBatch, list[Span]]:
    """Return one batch of the tasks' texts, and whose they are."""
    packs, spans = [], []
    for task in tasks:
        sequences = model.sequences(task, TEXTS[task])
        numbers = sequences.of(np.arange(len(TEXTS[task])))
        packs.append(sequences.pack(numbers))
        spans.append(Span(task, len(numbers)))
    return concatenate(packs), spans


def states(model: MultitaskModel, task: str | None, of: str) -> Tensor:
    """Return the token states of the texts of task ``of``, read for ``task``."""
    batch, [span] = joint(model, [of])
    with torch.no_grad():
        return model.read(batch, None if task is None else [Span(task, span.sequences)]).hidden_states
