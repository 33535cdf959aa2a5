"""``metrics.json`` of a run of pretraining."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from minbert.files.json_text import Number, read_object
from minbert.run_folder.folder import METRICS


class _Score(BaseModel):
    loss: Number
    perplexity: float
    accuracy: Number
    tokens: int


class _Metrics(BaseModel):
    held_out: dict[str, _Score]
    before_training: dict[str, _Score]
    by_frequency: dict[str, _Score]
    kept_step: int
    steps: int
    train_seconds: Number
    texts_per_second: Number
    real_tokens_per_second: Number
    device: str


_SHAPE = TypeAdapter(_Metrics)


def read_pretraining_metrics(folder: Path) -> dict[str, Any]:
    """Return what the ``metrics.json`` of a finished run of pretraining says.

    Raises:
        UserError: there is none, or it is damaged.
    """
    return read_object(folder / METRICS, _SHAPE)
