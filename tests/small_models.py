"""Small models of many tasks over a small encoder, and the words that the encoder of most tests knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from minbert.encoder.sources import load_encoder
from minbert.multitask.adapters import Adapters
from minbert.multitask.model import MultitaskModel
from minbert.multitask.shared_layers import SharedLayer
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer

WORDS = [
    "the",
    "a",
    "film",
    "question",
    "is",
    "good",
    "bad",
    "fine",
    "dull",
    "bright",
    "river",
    "train",
    "learn",
    "how",
    "why",
    "do",
    "people",
    "cook",
    "rice",
    "on",
    "cold",
    "days",
]
"""Of the tiny encoder's vocabulary, beside the special tokens."""


def model_over(
    encoder: Path,
    tasks: Mapping[str, Any],
    max_length: int,
    adapters: Any = "none",
    shared_layer: Any = "none",
    *,
    seed: int,
) -> MultitaskModel:
    """Return a model as training begins with it: tasks, adapters and shared layer as recipes write them."""
    torch.manual_seed(seed)
    return MultitaskModel(
        load_encoder(str(encoder)),
        Tokenizer.from_files(encoder),
        {name: TaskSettings.model_validate(task) for name, task in tasks.items()},
        max_length,
        Adapters.model_validate(adapters),
        SharedLayer.model_validate(shared_layer),
    )


def stir(module: nn.Module, by: float = 0.3) -> None:
    """Change every weight by a draw of this standard deviation."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += by * torch.randn_like(parameter)
