"""``metrics.json``: what a finished run, ensemble or soup scored, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from minbert.errors import UserError
from minbert.files.json_text import Number, read_object
from minbert.run_folder.folder import METRICS
from minbert.tasks.settings import TaskSettings
from minbert.training.history import Scores, check_scores


class _Baseline(BaseModel):
    name: str
    score: Number


class _Metrics(BaseModel):
    """What readers rely on; more may stand beside it. An ensemble or a soup has less than a run."""

    model_config = ConfigDict(extra="allow")

    dev: Scores
    before_training: Scores = {}
    baselines: dict[str, _Baseline] = {}
    best_step: int | None = None
    steps: int = 0
    trained_parameters: Number = 0
    train_seconds: Number = 0
    examples_per_second: Number = 0
    real_tokens_per_second: Number = 0
    peak_memory_mb: Number = 0
    encoder: str = ""
    seed: int = 0
    torch: str = ""
    threads: int = 0
    device: str = ""


_SHAPE = TypeAdapter(_Metrics)


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return what the ``metrics.json`` of a folder says: its ``dev`` and, of a run, all the rest.

    Raises:
        UserError: there is none, or it is damaged.
    """
    return read_object(folder / METRICS, _SHAPE)


def read_run_metrics(folder: Path, tasks: Mapping[str, TaskSettings]) -> dict[str, Any]:
    """Return what the ``metrics.json`` of a finished run of these ``tasks`` says.

    Raises:
        UserError: as for ``read_metrics``; or it is of something else.
    """
    metrics = read_metrics(folder)
    if missing := [key for key in _Metrics.model_fields if key not in metrics]:
        raise UserError(f"{folder / METRICS}: is damaged, or of another version of minbert (it lacks {missing[0]}).")
    check_scores(metrics["dev"], tasks, folder / METRICS)
    return metrics
