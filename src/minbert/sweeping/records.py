"""How each run of a sweep ended: one small file a run, written when it ends, whatever becomes of its model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from minbert.errors import UserError
from minbert.files import write_json
from minbert.files.durable import remove
from minbert.files.json_text import Number, read_shaped
from minbert.recipe.recipe import Recipe
from minbert.sweeping.plan import Run
from minbert.training.history import HISTORY, Scores, read_history
from minbert.training.scoring import score_name as full_name


class Record(BaseModel):
    """How a run ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    changes: dict[str, Any]
    seed: int
    state: Literal["finished", "pruned", "failed"]
    score: Number | None = None
    """The dev score that the recipe selects by, of the kept model; of a finished run only."""
    dev: Scores | None = None
    """``dev`` of ``metrics.json``."""
    best_step: int | None = None
    steps: int | None = None
    train_seconds: Number | None = None
    message: str | None = None
    """Why it was pruned, or failed."""
    ended: float
    """When, in seconds since 1970."""


_SHAPE = TypeAdapter(Record)


def score_name(recipe: Recipe) -> str:
    """Return the path in ``dev`` of the score that ``recipe`` selects by: ``overall`` or ``TASK.METRIC``."""
    select = recipe.training.select
    if select == "overall" and len(recipe.tasks) == 1:
        select = next(iter(recipe.tasks))
    return full_name(select, recipe.tasks)


def score_at(dev: Mapping[str, Any], name: str) -> float:
    """Return the score that ``dev`` of ``metrics.json`` holds at a path such as ``overall`` or ``TASK.METRIC``."""
    task, _, metric = name.partition(".")
    return float(dev[task][metric] if metric else dev[task])


def finished(run: Run, metrics: Mapping[str, Any]) -> Record:
    """Return the record of a run that has its ``metrics.json``."""
    return Record(
        name=run.name,
        changes=dict(run.configuration.changes),
        seed=run.seed,
        state="finished",
        score=score_at(metrics["dev"], score_name(run.recipe)),
        dev=metrics["dev"],
        best_step=metrics["best_step"],
        steps=metrics["steps"],
        train_seconds=metrics["train_seconds"],
        ended=time.time(),
    )


def unfinished(run: Run, state: Literal["pruned", "failed"], message: str, folder: Path) -> Record:
    """Return the record of a run that ended early; its steps and seconds are those of its last evaluation."""
    last: dict[str, Any] = {}
    if (folder / run.name / HISTORY).is_file():
        last = read_history(folder / run.name)[-1]
    return Record(
        name=run.name,
        changes=dict(run.configuration.changes),
        seed=run.seed,
        state=state,
        message=message,
        steps=last.get("step"),
        train_seconds=last.get("seconds"),
        ended=time.time(),
    )


def write_record(folder: Path, record: Record) -> None:
    """Write a run's record into a sweep's folder."""
    write_json(_path(folder, record.name), record.model_dump(mode="json"))


def drop_record(folder: Path, name: str) -> None:
    """Delete a run's record, where there is one: it was another attempt that counts."""
    remove(_path(folder, name))


def read_record(folder: Path, name: str) -> Record | None:
    """Return the record of a run, if it has ended.

    Raises:
        UserError: the file is damaged.
    """
    path = _path(folder, name)
    if not path.is_file():
        return None
    try:
        return read_shaped(path, _SHAPE)
    except UserError as error:
        raise UserError(f"{error} Delete the file and add --resume.") from None


def read_records(folder: Path) -> list[Record]:
    """Return the records of all runs that have ended, by name.

    Raises:
        UserError: one is damaged.
    """
    names = sorted(path.stem for path in (folder / "records").glob("*.json"))
    return [record for name in names if (record := read_record(folder, name))]


def _path(folder: Path, name: str) -> Path:
    return folder / "records" / f"{name}.json"
