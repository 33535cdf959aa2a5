"""Re-running a paper's tables, the published figures beside ours."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from minbert.display.progress import Display
from minbert.files import write_json, write_text
from minbert.files.left_overs import remove_left_overs
from minbert.files.locks import claimed
from minbert.machine.device import available_device
from minbert.reproduction.budgets import load_budget
from minbert.reproduction.papers import Paper, PaperRow, PaperTable, load_paper
from minbert.reproduction.results_file import RESULTS
from minbert.reproduction.runs import Outcome, PlannedRun, carry_out, plan_runs
from minbert.reproduction.tables import markdown
from minbert.reproduction.together import PlannedTogether, plan_together, take_together
from minbert.tasks.metrics import worth
from minbert.training.scoring import score_name

TABLES = "tables.md"

Outcomes = dict[str, list[tuple[PlannedRun, Outcome]]]
"""Of every system, each seed's run and how it ended; so far."""


def reproduce(
    paper: str,
    rows: Collection[str],
    seeds: str,
    out: Path,
    budget: str,
    overrides: Mapping[str, Any],
    settings: Sequence[str],
    keep_models: bool,
    display: Display,
) -> dict[str, Any]:
    """Run a paper's rows in the folder ``out`` and return what ``results.json`` there holds.

    Runs that are finished are kept, one that was stopped goes on. After every run ``results.json`` and ``tables.md``
    hold what there is so far. See ``plan_runs`` for the arguments; ``keep_models`` keeps the weights of every run.

    Raises:
        UserError: no such paper, row or budget; a recipe or the data cannot be used; ``out`` holds other runs.
        Interrupted: the user asked to stop; the same call goes on.
    """
    known = load_paper(paper)
    runs = plan_runs(known, rows, seeds, out, load_budget(budget), overrides, settings)
    together = plan_together(known, rows, runs, out, keep_models)
    outcomes: Outcomes = {run.system: [] for run in runs}
    made: dict[str, tuple[PlannedTogether, Outcome]] = {}

    def write() -> dict[str, Any]:
        results = _results(paper, known, rows, budget, runs, outcomes, made)
        write_json(out / RESULTS, results)
        write_text(out / TABLES, markdown(results))
        return results

    results: dict[str, Any] = {}
    with claimed(out):
        remove_left_overs(out)
        for number, run in enumerate(runs, start=1):
            display.note(f"{paper}, run {number} of {len(runs)}: {run.system}, seed {run.recipe.seed}")
            outcomes[run.system].append((run, carry_out(run, keep_models, display)))
            results = write()
        for name, planned in together.items():
            display.note(f"{paper}: {name}, of {len(planned.runs)} runs")
            made[name] = (planned, take_together(planned, outcomes, display))
            results = write()
    return results


def _results(
    name: str,
    paper: Paper,
    rows: Collection[str],
    budget: str,
    runs: list[PlannedRun],
    outcomes: Outcomes,
    made: Mapping[str, tuple[PlannedTogether, Outcome]],
) -> dict[str, Any]:
    wanted = {row for row, _ in paper.chosen_rows(rows)}
    tables = {}
    tasks = {task: settings for run in runs for task, settings in run.recipe.tasks.items()}
    for table_name, table in paper.tables.items():
        shown = {
            name: {
                "label": row.label,
                "single_task": row.together is None and set(row.systems) <= set(paper.single_task.values()),
                "published": row.published,
                **(
                    _of_runs(table, row, outcomes) if row.together is None else _of_runs_together(table, made.get(name))
                ),
            }
            for name, row in table.rows.items()
            if name in wanted
        }
        if shown:
            tables[table_name] = {
                "caption": table.caption,
                "columns": table.columns,
                "less_is_better": [
                    column for column, score in table.columns.items() if worth(score_name(score, tasks), 1.0) < 0
                ],
                "baseline": table.baseline,
                "rows": shown,
            }
    recipe = runs[0].recipe
    return {
        "paper": name,
        "title": paper.title,
        "conditions": paper.conditions,
        "notes": paper.notes,
        "budget": budget,
        "encoder": recipe.encoder.name,
        "seeds": len([run for run in runs if run.system == runs[0].system]),
        "device": str(available_device()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "runs": len(runs),
        "finished": sum(map(len, outcomes.values())),
        "single_task": {task: _scores(task, outcomes[system]) for task, system in paper.single_task.items()},
        "tables": tables,
    }


def _of_runs(table: PaperTable, row: PaperRow, outcomes: Outcomes) -> dict[str, Any]:
    columns = table.systems_by_column(row)
    return {
        "ours": {column: _scores(table.columns[column], outcomes[columns[column]]) for column in columns},
        "seconds": _seconds([outcomes[system] for system in dict.fromkeys(row.systems)]),
        "failures": [outcome.failure for system in row.systems for _, outcome in outcomes[system] if outcome.failure],
    }


def _of_runs_together(table: PaperTable, made: tuple[PlannedTogether, Outcome] | None) -> dict[str, Any]:
    if made is None:
        return {"ours": {}, "seconds": 0.0, "failures": []}
    planned, outcome = made
    scores = {column: outcome.score(score, planned.tasks) for column, score in table.columns.items()}
    return {
        "ours": {column: [] if score is None else [score] for column, score in scores.items()},
        "seconds": round(outcome.seconds, 1),
        "failures": [outcome.failure] if outcome.failure else [],
    }


def _scores(name: str, runs: list[tuple[PlannedRun, Outcome]]) -> list[float]:
    """Return a score of every seed that came to its end."""
    scores = [outcome.score(name, run.recipe.tasks) for run, outcome in runs]
    return [score for score in scores if score is not None and math.isfinite(score)]


def _seconds(systems: list[list[tuple[PlannedRun, Outcome]]]) -> float:
    """Return the mean seconds of training, over seeds, of all runs of a row."""
    return round(sum(statistics.fmean(outcome.seconds for _, outcome in runs) for runs in systems if runs), 1)
