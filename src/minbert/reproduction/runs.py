"""The runs behind a paper's tables: which they are, and what each of them scored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files import write_json
from minbert.files.json_text import read_object, shaped
from minbert.pretraining.metrics import read_pretraining_metrics
from minbert.recipe.recipe import Recipe, load_recipe
from minbert.recipe.seeds import read_seeds
from minbert.reproduction.budgets import Budget
from minbert.reproduction.papers import Paper
from minbert.run_folder.folder import (
    PRETRAINING,
    check_run_folder,
    drop_checkpoints,
    drop_weights,
    is_finished,
    read_run,
)
from minbert.run_folder.inputs import RunInputs
from minbert.run_folder.metrics import read_run_metrics
from minbert.run_folder.whole import check_whole
from minbert.running.inputs import data_files
from minbert.running.prepare import resolve
from minbert.running.run import train_recipe
from minbert.tasks.settings import TaskSettings
from minbert.training.checkpoint_folder import CHECKPOINTS
from minbert.training.scoring import check_select
from minbert.training.stepper import NotFiniteError

FAILURE = "failure.json"
"""In a run's folder, where its training could not be carried to the end: why."""
_MESSAGE = TypeAdapter(str)


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One training run that tables read scores of."""

    system: str
    """Its recipe's name."""
    recipe: Recipe
    folder: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    scores: Mapping[str, Any]
    """``dev`` of its metrics; nothing where it failed."""
    seconds: float
    failure: str | None

    def score(self, name: str, tasks: Mapping[str, TaskSettings]) -> float | None:
        """Return a score: overall, TASK (by its own metric) or TASK.METRIC; None where the run failed."""
        if self.failure is not None:
            return None
        task, _, metric = name.partition(".")
        value = self.scores[task]
        if isinstance(value, Mapping):
            value = value[metric or tasks[task].metric]
        return float(value)


def plan_runs(
    paper: Paper,
    rows: Collection[str],
    seeds: str,
    out: Path,
    budget: Budget,
    overrides: Mapping[str, Any],
    settings: Sequence[str] = (),
) -> list[PlannedRun]:
    """Return the runs that the paper's tables need, each once, and check every recipe. Writes nothing.

    Args:
        paper: whose tables.
        rows: which of its rows; none for all that are not run only when asked for. The baselines, of the tables that
            the rows stand in and of each task trained alone, are always among them.
        seeds: of every row: how many, from its recipe's own on, or which; see ``read_seeds``.
        out: each run gets a folder in it.
        budget: what may be spent on a run.
        overrides: dotted keys of every recipe, with their values.
        settings: more of them, as ``KEY=VALUE`` words.

    Raises:
        UserError: there is no such row, or a recipe cannot be used.
    """
    recipes: dict[str, Recipe] = {}
    for _, row in paper.chosen_rows(rows):
        for name in row.systems:
            recipes[name] = budget.apply(load_recipe(name, overrides, settings))
    for task, name in paper.single_task.items():
        recipes[name] = budget.apply(load_recipe(name, overrides, settings))
        check_select(task, recipes[name].tasks)
    for table in paper.tables.values():
        for row in table.rows.values():
            for column, name in table.systems_by_column(row).items():
                if name in recipes:
                    check_select(table.columns[column], recipes[name].tasks)
    folders = {name: name.rsplit("/", 1)[-1].removesuffix(".yaml") for name in recipes}
    if len(set(folders.values())) < len(recipes):
        raise UserError("two recipes of the tables have the same file name, so their runs would share a folder.")
    runs = []
    for name, recipe in recipes.items():
        for seed in read_seeds(seeds, recipe.seed):
            folder = out / folders[name] / f"seed-{seed}"
            runs.append(PlannedRun(name, recipe.model_copy(update={"seed": seed}), folder))
    return runs


def carry_out(run: PlannedRun, keep_models: bool, display: Display) -> Outcome:
    """Train one run to its end, unless it was before; return what came of it.

    Raises:
        UserError: its folder holds something else, or a run that is no longer what was written; or it cannot be
            trained for a reason that other runs share.
        Interrupted: the user asked to stop; the same call goes on.
    """
    folder = run.folder
    ended = is_finished(folder) or (folder / FAILURE).is_file()
    if not ended:
        try:
            train_recipe(run.recipe, folder, resume=True, display=display)
        except NotFiniteError as error:  # the system's own fault, and a finding: other rows are not concerned
            write_json(folder / FAILURE, {"message": str(error)})
    if not ended or (folder / CHECKPOINTS).is_dir():  # which an earlier call that was cut short has not come to drop
        (drop_checkpoints if keep_models else drop_weights)(folder)
    if ended:
        check_whole(folder, f"remove {folder}: it runs again")
    check_run_folder(folder, resolve(run.recipe), resume=True, command="train", read=read_run)
    RunInputs(folder, True, display).add(data_files(run.recipe))  # all of a table's runs read the same
    if (folder / FAILURE).is_file():
        return Outcome({}, 0.0, read_failure(folder))
    metrics = read_run_metrics(folder, run.recipe.tasks)
    seconds = metrics["train_seconds"]
    if is_finished(folder / PRETRAINING):
        seconds += read_pretraining_metrics(folder / PRETRAINING)["train_seconds"]
    return Outcome(metrics["dev"], seconds, None)


def read_failure(folder: Path) -> str:
    """Return why the run in ``folder`` failed; its ``failure.json`` says it.

    Raises:
        UserError: the file is damaged.
    """
    return shaped(read_object(folder / FAILURE).get("message"), _MESSAGE, folder / FAILURE)
