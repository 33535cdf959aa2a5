"""``history.jsonl``: a line for each evaluation of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from minbert.errors import UserError
from minbert.files import write_text
from minbert.files.json_text import Number, read_json_lines, shaped
from minbert.tasks.settings import TaskSettings

HISTORY = "history.jsonl"

Scores = dict[str, Number | dict[str, Number]]
"""What dev says of a model: every metric of every task, and the overall scores beside them."""


class _Weather(BaseModel):
    """What the combination of tasks reports."""

    model_config = ConfigDict(extra="allow")

    weights: dict[str, Number] = {}
    norms: dict[str, Number] = {}
    cosines: dict[str, Number] = {}
    conflicts: dict[str, Number] = {}
    moved: Number | None = None


class _Line(BaseModel):
    """What any loop's line has; more may stand beside it."""

    model_config = ConfigDict(extra="allow")

    step: int = Field(ge=0, le=10**12)
    seconds: Number = 0.0
    losses: dict[str, Number] = {}
    combination: _Weather = _Weather()
    dev: Scores = {}


_LINES = TypeAdapter(list[_Line])


def write_history(folder: Path, history: Sequence[dict[str, Any]]) -> None:
    """Write all lines of a run's history."""
    write_text(folder / HISTORY, "".join(json.dumps(line) + "\n" for line in history))


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's history.

    Raises:
        UserError: the file is missing or damaged.
    """
    where = folder / HISTORY
    lines: list[dict[str, Any]] = read_json_lines(where)
    shaped(lines, _LINES, where)
    if not lines:
        raise UserError(f"{where}: is empty; start anew in another --out.")
    return lines


def check_scores(dev: Mapping[str, Any], tasks: Mapping[str, TaskSettings], where: object) -> None:
    """Check that scores read from a file are those of ``tasks``, or that there are none: a run may have no dev rows.

    Raises:
        UserError: one of their metrics is not there.
    """
    if not dev:
        return
    for name, task in tasks.items():
        known = dev.get(name)
        if not isinstance(known, dict) or not set(task.metrics) <= known.keys():
            raise UserError(f"{where}: has no scores of task '{name}'. Is it of another run, or damaged?")
    if len(tasks) > 1 and not isinstance(dev.get("overall"), int | float):
        raise UserError(f"{where}: has no overall score. Is it of another run, or damaged?")
