"""What has been measured: a file with a line for each finished part, which a second start goes on from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from minbert.files import write_text
from minbert.files.json_text import read_json_lines, shaped
from quality.curves import Curve, Point, kept, mean_of_seeds, one_after_another


class Part(BaseModel):
    """What one process trains: some of a contestant's tasks, in one setting, with one seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contestant: str
    tasks: tuple[str, ...]
    setting: str
    """A learning rate or whatever else a contestant has several of; '' where he has one."""
    seed: int
    rows: int | None
    """``--rows``."""
    encoder: str
    threads: int


class Result(BaseModel):
    """A part and its curve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: Part
    curve: list[Point]
    machine: str


@dataclass(frozen=True)
class Standing:
    """A contestant's curve, and by what settings it was reached."""

    curve: Curve
    settings: Mapping[str, str]
    """For each part (its tasks' names), the setting with the best final dev score."""


_RESULTS = TypeAdapter(list[Result])


def read_results(path: Path) -> list[Result]:
    """Return what has been measured so far: nothing where there is no file yet.

    Raises:
        UserError: the file is damaged, or something else.
    """
    return shaped(read_json_lines(path), _RESULTS, path) if path.is_file() else []


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Write the whole file anew, so that a killed start leaves no half line.

    Raises:
        UserError: it cannot be written.
    """
    write_text(path, "".join(result.model_dump_json() + "\n" for result in results))


def standings(results: Sequence[Result], wanted: Mapping[str, Sequence[tuple[str, ...]]]) -> dict[str, Standing]:
    """Return the standing of every contestant all of whose parts have been measured in at least one setting.

    Args:
        results: of one size, encoder and number of threads.
        wanted: each contestant's parts, by their tasks.
    """
    found = {}
    for contestant, parts in wanted.items():
        best = {tasks: _best_setting(results, contestant, tasks) for tasks in parts}
        chosen = {tasks: one for tasks, one in best.items() if one is not None}
        if len(chosen) == len(parts):
            curve = one_after_another([curve for _, curve in chosen.values()])
            found[contestant] = Standing(curve, {", ".join(tasks): setting for tasks, (setting, _) in chosen.items()})
    return found


def _best_setting(results: Sequence[Result], contestant: str, tasks: tuple[str, ...]) -> tuple[str, Curve] | None:
    """Return the setting with the best final score, of those that were measured with the most seeds; and its curve."""
    curves: dict[str, list[Curve]] = {}
    for result in results:
        if (result.part.contestant, result.part.tasks) == (contestant, tasks):
            curves.setdefault(result.part.setting, []).append(kept(result.curve))
    most = max(map(len, curves.values()), default=0)
    complete = {setting: seeds for setting, seeds in curves.items() if len(seeds) == most}

    def final(item: tuple[str, Any]) -> float:
        return fmean(curve[-1].mean for curve in item[1])

    setting, seeds = max(complete.items(), key=final, default=("", []))
    return (setting, mean_of_seeds(seeds)) if seeds else None
