"""A run asked for its scores, and for the texts of a file as it was trained to find them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from minbert.data.kept_rows import kept_task_split
from minbert.data.places import resolve_data
from minbert.data.rows import holds_lines
from minbert.data.text_rows import TextRows
from minbert.display.console import terminal
from minbert.display.progress import Display
from minbert.errors import UserError, did_you_mean
from minbert.evaluation.predicting import SplitTask, predict_rows
from minbert.machine.device import available_device
from minbert.machine.precision import chosen_precision
from minbert.recipe.recipe import load_recipe
from minbert.run_folder.folder import RECIPE, read_run
from minbert.run_folder.model import model_of_run
from minbert.run_folder.unfinished import undecided, unfinished
from minbert.together.ensemble_file import check_has_model
from minbert.training.rows import Rows
from minbert.training.scoring import DevScores, score_answers

_USUAL_ID = "id"
"""The column that most files have, where the recipe names none."""


def evaluate_run(
    folder: str | Path,
    data: str | None = None,
    split: Literal["train", "dev", "test"] = "dev",
    display: Display | None = None,
    settings: Sequence[str] = (),
) -> DevScores:
    """Return a run's scores on a labelled split of ``data`` (by default the run's own).

    ``settings`` change the recipe: ``tasks.TASK.files.test=FILE`` names a file that was not there in training.

    Raises:
        UserError: the folder is no run, or an ensemble's; the model's files are damaged or tell of other labels than
            the recipe; or the split cannot be read or has no labels.
    """
    folder, display = Path(folder), display or Display(terminal())
    check_has_model(folder, folder)
    recipe = load_recipe(str(folder / RECIPE), settings=settings) if settings else read_run(folder)
    if note := unfinished(folder):
        display.note(note)
    place = resolve_data(recipe.data if data is None else data)
    named = {name: task for name, task in recipe.tasks.items() if split in task.split_files}
    if not named:
        splits = sorted({other for task in recipe.tasks.values() for other in task.split_files} - {"train", split})
        advice = [f"Name one: --set tasks.{next(iter(recipe.tasks))}.files.{split}=FILE."]
        advice += [f"For its {other} rows: --split {other}." for other in splits]
        raise UserError(f"{folder}: its recipe names no {split} file for any task. {' '.join(advice)}")
    if others := [name for name in recipe.tasks if name not in named]:
        display.note(f"without a {split} file, and so not scored and not in overall: {', '.join(others)}")
    model = model_of_run(folder, recipe).to(available_device())
    if note := undecided(folder, model.tasks):
        display.note(note)
    rows: dict[SplitTask, Rows] = {}
    for name, task in named.items():
        read = kept_task_split(place, task, task.kind, split, name=name, note=display.note)
        if read.left_out:
            display.note(read.left_out)
        rows[split, name] = Rows.of_split(model, name, read, display)
    predicted = predict_rows(model, rows, chosen_precision(recipe.training.precision), display, f"predicting {split}")
    # Decided as ``predict`` decides, even where thresholds are still to be chosen on dev.
    return score_answers(
        model.tasks, {name: (predicted[split, name], rows[split, name].known_labels) for name in named}
    )


def text_rows(
    run: str, asked: Sequence[str], source: Path, chosen: Sequence[str], id_column: str | None = None
) -> TextRows:
    """Return the texts of a file for some tasks: of the columns ``chosen``, else of those the run was trained from.

    Ids are those of ``id_column``, else of the column that the first task was trained with or else ``id``, where the
    file has that. A file with a text a line has no columns, so none need be known.

    Raises:
        UserError: none are chosen and ``run`` is no run folder that could tell, it has no such task, or the tasks were
            trained from other columns each.
    """
    has_no_columns = holds_lines(source)
    if not (Path(run) / RECIPE).is_file():
        if not chosen and not has_no_columns:
            raise UserError(f"{run}: has no {RECIPE} that names columns; give the text's column (or both) with --text.")
        return TextRows(source, chosen or ["text"], id_column, _USUAL_ID)
    tasks = read_run(Path(run)).tasks
    for task in asked:
        if task not in tasks:
            raise UserError(f"{run}: has no task '{task}'{did_you_mean(task, tasks)}; it has: {', '.join(tasks)}.")
    usual_id_column = tasks[asked[0]].id or _USUAL_ID
    if chosen:
        return TextRows(source, chosen, id_column, usual_id_column)
    columns = {task: list(tasks[task].text_columns) for task in asked}
    if other := next((task for task in asked if columns[task] != columns[asked[0]]), None):
        told = f"'{asked[0]}' from {', '.join(columns[asked[0]])}, and '{other}' from {', '.join(columns[other])}"
        raise UserError(f"{run}: was trained on {told}. Name the columns of this file with --text.")
    headers = [tasks[task].header for task in asked]
    header = headers[0] if headers.count(headers[0]) == len(headers) and not has_no_columns else None
    return TextRows(source, columns[asked[0]], id_column, usual_id_column, header or ())
