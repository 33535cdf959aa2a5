"""Finished runs taken together: as an ensemble, as a soup, as teachers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minbert.data.examples import Split
from minbert.data.places import resolve_data
from minbert.data.schedules.single import Single
from minbert.data.task_splits import read_task_split
from minbert.display.commands import command_line
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files.outputs import is_vacant
from minbert.recipe.recipe import Recipe, ScheduleChoice
from minbert.run_folder.folder import RECIPE, is_finished, read_run
from minbert.tasks.kinds import Kind
from minbert.together.ensemble_file import ENSEMBLE, read_ensemble


@dataclass(frozen=True, slots=True)
class Member:
    """A finished run."""

    folder: Path
    recipe: Recipe


def trained_tasks(recipe: Recipe) -> list[str]:
    """Return the tasks that a recipe trains; a schedule of one task leaves the heads of others as they were."""
    method = recipe.schedule.method
    return [method.task] if isinstance(method, Single) else list(recipe.tasks)


def find_members(folders: Sequence[Path]) -> list[Member]:
    """Return the finished runs in these folders.

    Raises:
        UserError: one is no finished run, or there twice.
    """
    members = [find_member(folder) for folder in folders]
    for index, member in enumerate(members):
        if any(member.folder == other.folder for other in members[:index]):
            raise UserError(f"{folders[index]}: is named twice.")
    return members


def find_member(folder: Path) -> Member:
    """Return the finished run in ``folder``.

    Raises:
        UserError: it is an ensemble, no run, or not finished.
    """
    if (folder / ENSEMBLE).is_file():
        raise UserError(f"{folder}: is an ensemble, not a run; name its members instead.")
    recipe = read_run(folder)
    if not is_finished(folder):
        again = command_line("train", folder / RECIPE, "--out", folder, "--resume")
        raise UserError(f"{folder}: this run is not finished; go on with it first: {again}")
    return Member(folder.resolve(), recipe)


def names_apart(folders: Sequence[Path]) -> list[str]:
    """Return a name for every folder: the ends of their paths, as few parts of them as tell all of them apart."""
    names = [folder.name for folder in folders]
    parts = 1
    while len(set(names)) < len(set(folders)):
        parts += 1
        names = [Path(*folder.parts[-parts:]).as_posix() for folder in folders]
    return names


def ensemble_recipe(folder: Path) -> Recipe:
    """Return the recipe of an ensemble's first run with the ensemble's tasks, each as its first member has it.

    Nothing was trained by it, so its schedule is the default; it says what the tasks are.

    Raises:
        UserError: ``folder`` holds no ensemble, or its runs are not where they were.
    """
    recipes = {name: read_run(Path(members[0].run)) for name, members in read_ensemble(folder).tasks.items()}
    first = next(iter(recipes.values()))
    settings = {name: recipe.tasks[name] for name, recipe in recipes.items()}
    return first.model_copy(update={"tasks": settings, "schedule": ScheduleChoice()})


def weighted_runs(folder: Path) -> dict[str, dict[Path, float]]:
    """Return, for each task that a run or an ensemble was trained on, the folders of the runs behind it, weighted.

    Raises:
        UserError: ``folder`` is neither, or a run is not finished.
    """
    if (folder / ENSEMBLE).is_file():
        if not is_finished(folder):
            raise UserError(f"{folder}: this ensemble is not finished; make it again by minbert ensemble.")
        tasks = read_ensemble(folder).tasks
        return {task: {Path(member.run): member.weight for member in members} for task, members in tasks.items()}
    member = find_member(folder)
    return {task: {member.folder: 1.0} for task in trained_tasks(member.recipe)}


def check_same_labels(name: str, first: Kind, first_place: str, second: Kind, second_place: str) -> None:
    """Check that two runs mean the same by a task's labels.

    Raises:
        UserError: they do not.
    """
    if first.described != second.described:
        raise UserError(
            f"task '{name}' has other labels in {first_place} ({first.described}) than in {second_place} "
            f"({second.described}); "
            "they can only be taken together where their recipes agree on kind, classes and range."
        )


def members_of_tasks(members: Sequence[Member]) -> dict[str, list[Member]]:
    """Return the members that were trained on each task, tasks in the order they come up.

    Raises:
        UserError: members mean different things by a task.
    """
    by_task: dict[str, list[Member]] = {}
    for member in members:
        for name in trained_tasks(member.recipe):
            task = member.recipe.tasks[name]
            others = by_task.setdefault(name, [])
            others.append(member)
            first = others[0]
            known = first.recipe.tasks[name]
            check_same_labels(name, known.kind, str(first.folder), task.kind, str(member.folder))
            if known.metric != task.metric:
                raise UserError(
                    f"task '{name}' is scored by {known.metric} in {first.folder} and by {task.metric} in "
                    f"{member.folder}; runs that are taken together need one metric."
                )
    return by_task


def check_has_dev(member: Member, task: str) -> None:
    """Check that a run had dev rows of a task.

    Raises:
        UserError: it was trained without.
    """
    if "dev" not in member.recipe.tasks[task].split_files:
        raise UserError(f"{member.folder}: was trained without dev rows of task '{task}', which are needed here.")


def common_rows(members: Sequence[Member], name: str, split: str, data: str | None, display: Display) -> Split | None:
    """Return a task's rows of a split, which all members must agree on; None if one of them has no such file.

    Only dev's labels are read; rows that the task leaves out are told.

    Raises:
        UserError: the rows differ, or cannot be read.
    """
    first: Split | None = None
    for member in members:
        task = member.recipe.tasks[name]
        file = task.split_files.get(split)
        if split == "dev":
            check_has_dev(member, name)
        if file is None:
            return None
        place = resolve_data(member.recipe.data if data is None else data)
        path = place / file
        if split == "test" and not path.is_file():
            return None
        rows = read_task_split(place, task, task.kind, split, labelled=split == "dev", name=name)
        if first is None:
            first = rows
            if rows.left_out:
                display.note(rows.left_out)
        elif not _same_rows(first, rows):
            raise UserError(
                f"task '{name}': the {split} rows of {members[0].folder} ({first.path}) and of {member.folder} "
                f"({path}) differ, so answers to them cannot be put together. Give files they share with --data DIR."
            )
    return first


def _same_rows(one: Split, other: Split) -> bool:
    if (one.ids, one.first, one.second) != (other.ids, other.first, other.second):
        return False
    if one.labels is None or other.labels is None:
        return one.labels is other.labels
    return np.array_equal(one.labels, other.labels)


def check_new_folder(out: Path, first: str) -> None:
    """Check that ``out`` is a folder to write a new thing in, or to write one anew that a kill has cut short.

    ``first`` is the file that is written first; ``metrics.json`` is the last.

    Raises:
        UserError: something else is there already.
    """
    if not is_vacant(out) and (is_finished(out) or not (out / first).is_file()):
        raise UserError(f"{out}: exists and is not empty; choose another --out.")
