"""The systems that are compared: runs of one recipe, whatever their seeds, or an ensemble, by their folders."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minbert.errors import UserError, did_you_mean
from minbert.evaluation.answers import Answers, read_answers
from minbert.recipe.recipe import Recipe
from minbert.run_folder.differences import leaves
from minbert.run_folder.folder import RECIPE, SOUP, is_finished
from minbert.tasks.kinds import Label
from minbert.together.ensemble_file import ENSEMBLE
from minbert.together.members import (
    Member,
    check_has_dev,
    ensemble_recipe,
    find_member,
    members_of_tasks,
    trained_tasks,
)

_SEED = re.compile(r"(^|[/,_ -])seed[-=_]?\d+(?=$|/)")
_BETWEEN_WORDS = re.compile(r"([/,_ -]+)")


@dataclass(frozen=True, slots=True)
class System:
    """Runs of one recipe that differ in nothing but their seeds; or one ensemble."""

    name: str
    runs: list[Member]
    ensemble: bool = False
    """Whether it is an ensemble, which stands as one run with its first member's recipe and all its tasks."""

    @property
    def recipe(self) -> Recipe:
        """The recipe of the first run."""
        return self.runs[0].recipe

    @property
    def tasks(self) -> list[str]:
        """The tasks it was trained on."""
        return trained_tasks(self.recipe)

    @property
    def seeds(self) -> list[int]:
        """Every run's seed; an ensemble has none of its own."""
        return [] if self.ensemble else [run.recipe.seed for run in self.runs]


def find_systems(folders: Sequence[Path]) -> tuple[list[System], list[Path]]:
    """Return the systems of all finished runs in ``folders``, in the order given, and the unfinished runs left out.

    A folder is a run's or an ensemble's, or holds some at any depth, as a sweep's or a reproduction's does.

    Raises:
        UserError: a folder holds no finished run, an ensemble's runs are gone, or the same training was done twice.
    """
    found: dict[Path, tuple[Path, Path]] = {}
    unfinished = []
    for folder in folders:
        inside = _run_folders(folder)
        ready = [path for path in inside if path == folder or is_finished(path)]
        if not ready:
            what = "no finished run in it" if inside else "neither a run nor a folder with runs in it"
            raise UserError(f"{folder}: {what}; give folders that minbert train, sweep or reproduce left.")
        unfinished += [path for path in inside if path not in ready]
        for path in ready:
            found.setdefault(path.resolve(), (folder, path))
    groups: dict[str, list[tuple[Member, Path, Path]]] = {}
    for folder, path in found.values():
        member = Member(path.resolve(), ensemble_recipe(path)) if _is_ensemble(path) else find_member(path)
        key = member.recipe.model_copy(update={"seed": 0}).model_dump_json()
        alone = _is_ensemble(path) or (path / SOUP).is_file()
        groups.setdefault(f"{path} {key}" if alone else key, []).append((member, folder, path))
    names = short_names([[(folder, path) for _, folder, path in group] for group in groups.values()])
    systems = [
        System(name, [run[0] for run in group], _is_ensemble(group[0][2]))
        for name, group in zip(names, groups.values(), strict=True)
    ]
    for system in systems:
        _check_seeds_differ(system)
    return systems, unfinished


def find_baseline(systems: Sequence[System], wanted: str | Path | None) -> System:
    """Return the system called ``wanted``, or the one whose runs lie there; without it the first of several tasks.

    Raises:
        UserError: there is no such system, or several.
    """
    if wanted is None:
        return max(systems, key=lambda system: len(system.tasks) > 1)
    place = Path(wanted).resolve()
    fitting = [system for system in systems if system.name == str(wanted)] or [
        system for system in systems if any(run.folder.is_relative_to(place) for run in system.runs)
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = [system.name for system in fitting or systems]
    what = "holds several systems" if fitting else f"is none of the systems{did_you_mean(str(wanted), names)}"
    raise UserError(f"--baseline {wanted}: {what}; give one of: {', '.join(names)}.")


def read_all_answers(systems: Sequence[System]) -> dict[str, dict[str, list[Answers]]]:
    """Return the answers to dev rows of every task that a system was trained on: by task, by system's name, its runs'.

    Raises:
        UserError: a run had no dev rows or has no answers, or two of them mean different things by a task or answered
            different rows.
    """
    members = [run for system in systems for run in system.runs]
    answers: dict[str, dict[str, list[Answers]]] = {}
    for task, trained in members_of_tasks(members).items():
        for run in trained:
            check_has_dev(run, task)
        first: tuple[Path, Answers] | None = None
        for system in systems:
            for run in system.runs if task in system.tasks else ():
                read = read_answers(run.folder, task, "dev")
                first = first or (run.folder, read)
                _check_same_rows(task, *first, run.folder, read)
                answers.setdefault(task, {}).setdefault(system.name, []).append(read)
    return answers


def single_task_system(system: System, task: str, systems: Sequence[System]) -> System | None:
    """Return the system that was trained on ``task`` alone, from the same encoder and on the same share of its rows.

    Of several, the one whose recipe differs least from ``system``'s, the first of equals. None where there is none, or
    ``system`` is itself of a single task.
    """
    if len(system.tasks) == 1:
        return None
    ours = _settings_beside_other_tasks(system.recipe, task)
    fitting = []
    for other in systems:
        theirs = _settings_beside_other_tasks(other.recipe, task)
        same = ("encoder.name", "training.encoder", f"tasks.{task}.rows", f"tasks.{task}.files.train")
        if not other.ensemble and other.tasks == [task] and all(ours.get(key) == theirs.get(key) for key in same):
            different = sum(ours.get(key) != theirs.get(key) for key in ours.keys() | theirs.keys())
            fitting.append((different, other))
    return min(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _settings_beside_other_tasks(recipe: Recipe, task: str) -> dict[str, Any]:
    """Return the recipe's settings by dotted key, without other tasks'."""
    tree = recipe.model_dump(mode="json", exclude={"seed", "description"})
    tree["tasks"] = {task: tree["tasks"].get(task)}
    return leaves(tree)


def _is_ensemble(folder: Path) -> bool:
    return (folder / ENSEMBLE).is_file()


def _run_folders(folder: Path) -> list[Path]:
    if (folder / RECIPE).is_file() or _is_ensemble(folder):
        return [folder]
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}).") from None
    return [run for path in inside for run in _run_folders(path)]


def short_names(groups: Sequence[Sequence[tuple[Path, Path]]]) -> list[str]:
    """Return names for groups of runs, as short as tells them apart: what the runs' paths have in common.

    A run is given by the folder it was found in and its own. Its seed is no part of the name.
    """

    def short(given: Path, run: Path) -> str:
        return _SEED.sub("", run.relative_to(given).as_posix()).strip("./") or longer(given, Path(given.name))

    def longer(given: Path, run: Path) -> str:
        whole = given.resolve()
        inside = whole / run.relative_to(given) if run.is_relative_to(given) else whole
        return _SEED.sub("", inside.relative_to(whole.parent).as_posix()).strip("/") or whole.parent.name

    def full(_: Path, run: Path) -> str:
        return _SEED.sub("", str(run))

    for name in (short, longer, full):
        of_runs = [list(dict.fromkeys(name(*run) for run in group)) for group in groups]
        for joined in (_shared_words, _listed):
            names = [joined(group) for group in of_runs]
            if len(set(names)) == len(names):
                return names
    return [str(group[0][1]) for group in groups]


def _shared_words(names: Sequence[str]) -> str:
    """Return the words that all names begin with, else those that all end with, else the names."""
    words = [_BETWEEN_WORDS.split(name) for name in names]
    begin, end = _leading(words), _leading([name[::-1] for name in words])[::-1]
    return "".join(begin or end).strip("/,_ -") or _listed(names)


def _leading(words: Sequence[Sequence[str]]) -> list[str]:
    """Return what all lists begin with."""
    alike = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
    return [column[0] for column in alike]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more"


def _check_seeds_differ(system: System) -> None:
    for index, run in enumerate(system.runs):
        for other in system.runs[:index]:
            if run.recipe.seed == other.recipe.seed:
                raise UserError(
                    f"{other.folder} and {run.folder} are runs of the same recipe with the same seed; that is one "
                    "result, not two. Name one of them, or train the recipe with another seed."
                )


def _check_same_rows(task: str, folder: Path, answers: Answers, other_folder: Path, other: Answers) -> None:
    if answers.same_rows(other):
        return
    pairs = zip(answers.ids, other.ids, strict=False)
    row = next((row for row, (one, two) in enumerate(pairs) if one != two), min(len(answers), len(other)))
    if answers.ids == other.ids:
        row = int(np.argwhere(answers.labels != other.labels)[0, 0])
        there, here = (_told_label(given.labels[row]) for given in (answers, other))
        told = f"row '{other.ids[row]}' has label {there} there and {here} here"
    elif len(answers) != len(other):
        told = f"{len(answers)} rows there, {len(other)} here"
        if row < min(len(answers), len(other)):
            told += f"; row {row + 1} is '{answers.ids[row]}' there and '{other.ids[row]}' here"
    else:
        told = f"row {row + 1} is '{answers.ids[row]}' there and '{other.ids[row]}' here"
    raise UserError(
        f"task '{task}': {other_folder} was scored on other dev rows than {folder} ({told}), so their scores cannot be "
        "compared. Train both on the same dev file, with the same dev_rows."
    )


def _told_label(label: Label) -> str:
    """Return a number, or the numbers of the classes that a row has."""
    return f"{label:g}" if isinstance(label, float) else f"[{', '.join(map(str, np.flatnonzero(label)))}]"
