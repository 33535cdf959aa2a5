"""What a report is made from: the folders that were named, read and sorted into systems."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minbert.comparing.systems import short_names
from minbert.errors import UserError
from minbert.reporting.records import RunRecords, TaskFacts, is_run, read_records
from minbert.reproduction.results_file import RESULTS, read_results
from minbert.sweeping.results_file import SWEEP_RESULTS, read_sweep


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """Runs that differ in nothing but the seed."""

    name: str
    runs: Sequence[RunRecords]

    @property
    def tasks(self) -> Mapping[str, TaskFacts]:
        """Its tasks by name."""
        return self.runs[0].tasks

    @property
    def first(self) -> RunRecords:
        """The run that stands for the system where only one can be shown: the first that is finished."""
        return next((run for run in self.runs if run.finished), self.runs[0])

    @property
    def scored(self) -> Sequence[RunRecords]:
        """The runs whose scores count: those that are finished, or all where none is."""
        return [run for run in self.runs if run.finished] or self.runs

    def scores(self, task: str, metric: str) -> list[float]:
        """Return every seed's dev score of a task by one of its metrics."""
        found = [run.score(task, metric) for run in self.scored]
        return [score for score in found if score is not None]

    def overall(self) -> list[float]:
        """Return every seed's overall dev score."""
        return [run.dev["overall"] for run in self.scored if "overall" in run.dev]


@dataclass(frozen=True, slots=True)
class Measure:
    """A task's metric on certain dev rows: what scores of several systems can be set side by side by."""

    name: str
    """The task's, and the dev file's where systems mean other rows by the same task."""
    task: str
    facts: TaskFacts
    systems: Sequence[System]

    def means(self) -> dict[str, float]:
        """Return the mean over seeds of each system that has a score; of the finished ones, where any is."""
        ready = [system for system in self.systems if system.first.finished] or self.systems
        found = {system.name: system.scores(self.task, self.facts.metric) for system in ready}
        return {name: statistics.fmean(scores) for name, scores in found.items() if scores}


@dataclass(frozen=True, slots=True)
class Material:
    """All that was read."""

    systems: Sequence[System]
    sweeps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """``sweep.json`` by the folder's name."""
    reproductions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """``results.json`` by the folder's name."""
    remarks: Sequence[str] = ()
    """What could not be read, a sentence each."""

    def measures(self) -> list[Measure]:
        """Return what scores there are, each with the systems that can be compared by it, in the order they come up."""
        groups: dict[str, list[list[System]]] = {}
        for system in self.systems:
            for task in system.tasks:
                known = groups.setdefault(task, [])
                like = next((group for group in known if _same_measure(group[0].first, system.first, task)), None)
                if like is None:
                    known.append([system])
                else:
                    like.append(system)
        return [
            Measure(_name_apart(task, number, group[0].first), task, group[0].tasks[task], group)
            for task, known in groups.items()
            for number, group in enumerate(known)
        ]

    def overall(self) -> dict[str, list[float]]:
        """Return every seed's overall score by system: of those with as many tasks as any, measured alike, and of these
        the finished ones, where any is."""
        measures = self.measures()
        having = {system.name: [m.name for m in measures if system in m.systems] for system in self.systems}
        most = max(having.values(), key=len)
        alike = [system for system in self.systems if having[system.name] == most]
        ready = [system for system in alike if system.first.finished] or alike
        found = {system.name: system.overall() for system in ready}
        return {name: scores for name, scores in found.items() if scores} if len(most) > 1 else {}


def _same_measure(one: RunRecords, other: RunRecords, task: str) -> bool:
    """Return whether two runs' scores on a task are of the same rows by the same metric."""
    if one.tasks[task].kind != other.tasks[task].kind or one.tasks[task].metric != other.tasks[task].metric:
        return False
    if task in one.answers and task in other.answers:
        return one.answers[task].same_rows(other.answers[task])
    if one.recipe is None or other.recipe is None:
        return True  # nothing tells
    first, second = one.recipe.tasks[task], other.recipe.tasks[task]
    places = [
        (run.data, task.split_files.get("dev"), task.held_out, task.dev_rows)
        for run, task in ((one.recipe, first), (other.recipe, second))
    ]
    return places[0] == places[1]


def _name_apart(task: str, number: int, run: RunRecords) -> str:
    """Return the name of the measure with this number, from 0, of a task's."""
    if not number:
        return task
    file = run.recipe.tasks[task].split_files.get("dev") if run.recipe is not None else None
    return f"{task} ({file or number + 1})"


def read_material(folders: Sequence[Path]) -> Material:
    """Read runs, folders of runs, sweeps and reproductions, at any depth below ``folders``.

    Raises:
        UserError: a folder is not there, or there is nothing in any of them to report on.
    """
    remarks: list[str] = []
    sweeps: dict[str, Mapping[str, Any]] = {}
    reproductions: dict[str, Mapping[str, Any]] = {}
    found: dict[Path, tuple[Path, RunRecords]] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder. Give a run's folder, or one that holds runs.")
        for place in _walk(folder):
            _add_tables(place, sweeps, reproductions, remarks)
            if is_run(place) and place.resolve() not in found:
                try:
                    found[place.resolve()] = folder, read_records(place, remarks)
                except UserError as error:
                    remarks.append(str(error))
    if not found:
        told = "".join(f"\n  {remark}" for remark in remarks)
        raise UserError(f"{', '.join(map(str, folders))}: holds no run of minbert's to report on.{told}")
    return Material(_systems(list(found.values())), sweeps, reproductions, remarks)


def _walk(folder: Path) -> list[Path]:
    """Return ``folder`` and the folders below it in order of their names; what lies inside of a run is left out."""
    places = []
    for root, names, _ in os.walk(folder):
        place = Path(root)
        places.append(place)
        inside = is_run(place)
        names[:] = [] if inside else sorted((name for name in names if not name.startswith(".")), key=_natural)
    return places


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that puts seed-2 before seed-10."""
    parts = "".join(c if c.isdigit() else f"\0{c}\0" for c in name).split("\0")
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _add_tables(
    place: Path, sweeps: dict[str, Mapping[str, Any]], reproductions: dict[str, Mapping[str, Any]], remarks: list[str]
) -> None:
    for name, into, read in ((SWEEP_RESULTS, sweeps, read_sweep), (RESULTS, reproductions, read_results)):
        if (place / name).is_file():
            try:
                into[place.name] = read(place)
            except UserError as error:
                remarks.append(f"{error} So it is left out.")


def _systems(found: Sequence[tuple[Path, RunRecords]]) -> list[System]:
    """Put runs together that differ in nothing but the seed; two with the same seed are two systems.

    A run comes with the folder that it was found in.
    """
    groups: dict[str, list[tuple[Path, RunRecords]]] = {}
    for folder, run in found:
        key = str(run.folder)
        if run.seed is not None and run.recipe is not None:
            same = run.recipe.model_copy(update={"seed": 0}).model_dump_json()
            if all(other.seed != run.seed for _, other in groups.get(same, [])):
                key = same
        groups.setdefault(key, []).append((folder, run))
    names = short_names([[(folder, run.folder) for folder, run in group] for group in groups.values()])
    return [System(name, [run for _, run in group]) for name, group in zip(names, groups.values(), strict=True)]
