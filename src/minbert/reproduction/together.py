"""Rows of a table that are other rows' runs taken together: soups and ensembles of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from minbert.display.progress import Display
from minbert.encoder.file_names import SAFETENSORS
from minbert.errors import UserError
from minbert.reproduction.papers import Paper, PaperRow
from minbert.reproduction.runs import Outcome, PlannedRun
from minbert.run_folder.folder import SOUP, is_finished
from minbert.run_folder.metrics import read_metrics
from minbert.run_folder.whole import check_whole
from minbert.tasks.settings import TaskSettings
from minbert.together.ensemble import make_ensemble
from minbert.together.ensemble_file import ENSEMBLE
from minbert.together.members import check_new_folder, trained_tasks, weighted_runs
from minbert.together.soup import make_soup
from minbert.together.soup_file import soup_runs
from minbert.training.scoring import check_select


@dataclass(frozen=True, slots=True)
class PlannedTogether:
    """A row that is made of finished runs."""

    row: PaperRow
    runs: list[PlannedRun]
    folder: Path

    @property
    def tasks(self) -> dict[str, TaskSettings]:
        """The tasks that its runs are trained on; an ensemble has no others."""
        return {name: run.recipe.tasks[name] for run in self.runs for name in trained_tasks(run.recipe)}


def plan_together(
    paper: Paper, rows: Collection[str], runs: Sequence[PlannedRun], out: Path, keep_models: bool
) -> dict[str, PlannedTogether]:
    """Return what is to be made of ``runs``, by the names of the rows that ask for it. Writes nothing.

    Each is made in a folder of its row's name in ``out``. See ``plan_runs`` for ``paper`` and ``rows``.

    Raises:
        UserError: the runs are fewer than two or will not keep their models, a column is no score of theirs, or the
            folder holds something else.
    """
    planned: dict[str, PlannedTogether] = {}
    for name, row in paper.chosen_rows(rows):
        if row.together is None:
            continue
        members = [run for run in runs if run.system in row.systems]
        if len(members) < 2:
            raise UserError(f"row '{name}': is made of several runs, and there is one; ask for more --seeds.")
        if not keep_models:
            raise UserError(f"row '{name}': is made of the other runs' models; add --keep-models.")
        made = PlannedTogether(row, members, out / name)
        for table in paper.tables.values():
            for score in table.columns.values() if table.rows.get(name) == row else ():
                check_select(score, made.tasks)
        if made.folder in {run.folder.parent for run in runs} or (name in planned and planned[name].row != row):
            raise UserError(f"row '{name}': another row, or a recipe, has this name, so both would share a folder.")
        _check_folders(made)
        planned[name] = made
    return planned


def take_together(
    planned: PlannedTogether, outcomes: Mapping[str, Sequence[tuple[PlannedRun, Outcome]]], display: Display
) -> Outcome:
    """Make the soup or the ensemble, unless it was made before; return its scores and the seconds of all its runs.

    Raises:
        UserError: the runs' models are not there any more, or they cannot be taken together.
    """
    behind = [outcome for system in planned.row.systems for _, outcome in outcomes[system]]
    if failures := [outcome.failure for outcome in behind if outcome.failure is not None]:
        return Outcome({}, 0.0, f"one of its runs failed: {failures[0]}")
    folder = planned.folder
    if is_finished(folder):
        check_whole(folder, f"remove {folder}: it is made again")
    else:
        folders = [run.folder for run in planned.runs]
        if planned.row.together == "soup":
            make_soup(folders, folder, None, display)
        else:
            make_ensemble(folders, folder, "uniform", None, display)
    return Outcome(read_metrics(folder)["dev"], sum(outcome.seconds for outcome in behind), None)


def _check_folders(planned: PlannedTogether) -> None:
    folder, members = planned.folder, [run.folder for run in planned.runs]
    if is_finished(folder):
        if _ends(_made_of(folder)) != _ends(members):
            raise UserError(f"{folder}: is made of other runs; remove it, and it is made anew.")
        return
    check_new_folder(folder, SOUP if planned.row.together == "soup" else ENSEMBLE)
    for run in members:
        if is_finished(run) and not (run / SAFETENSORS).is_file():
            raise UserError(
                f"{run}: was run without --keep-models, and {folder.name} needs its model; remove it: it runs again."
            )


def _made_of(folder: Path) -> list[Path]:
    """Return the runs that a soup or an ensemble was made of, whether they count or not."""
    if (folder / SOUP).is_file():
        return soup_runs(folder)
    return [run for runs in weighted_runs(folder).values() for run in runs]


def _ends(folders: Sequence[Path]) -> set[tuple[str, ...]]:
    """Return ``SYSTEM/seed-N`` of each, which stays where all of it is moved."""
    return {folder.parts[-2:] for folder in folders}
