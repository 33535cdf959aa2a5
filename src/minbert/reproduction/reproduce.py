"""Re-running a paper's tables, the published figures beside ours."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from minbert.files import write_json, write_text
from minbert.prepare import available_device
from minbert.reproduction.budgets import load_budget
from minbert.reproduction.papers import Paper, load_paper
from minbert.reproduction.runs import Outcome, PlannedRun, carry_out, chosen_rows, columns_of, plan_runs, systems
from minbert.reproduction.tables import markdown
from minbert.training.display import Display

RESULTS = "results.json"
TABLES = "tables.md"


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
    outcomes: dict[str, list[tuple[PlannedRun, Outcome]]] = {run.system: [] for run in runs}
    results: dict[str, Any] = {}
    for number, run in enumerate(runs, start=1):
        display.note(f"{paper}, run {number} of {len(runs)}: {run.system}, seed {run.recipe.seed}")
        outcomes[run.system].append((run, carry_out(run, keep_models, display)))
        results = _results(paper, known, rows, budget, runs, outcomes)
        write_json(out / RESULTS, results)
        write_text(out / TABLES, markdown(results))
    return results


def _results(
    name: str,
    paper: Paper,
    rows: Collection[str],
    budget: str,
    runs: list[PlannedRun],
    outcomes: Mapping[str, list[tuple[PlannedRun, Outcome]]],
) -> dict[str, Any]:
    wanted = {row for row, _ in chosen_rows(paper, rows)}
    tables = {}
    for table_name, table in paper.tables.items():
        shown = {}
        for row_name, row in table.rows.items():
            if row_name not in wanted:
                continue
            columns = columns_of(table, row)
            shown[row_name] = {
                "label": row.label,
                "single_task": set(systems(row)) <= set(paper.single_task.values()),
                "published": row.published,
                "ours": {column: _scores(table.columns[column], outcomes[columns[column]]) for column in columns},
                "seconds": _seconds([outcomes[system] for system in dict.fromkeys(systems(row))]),
                "failures": [
                    outcome.failure for system in systems(row) for _, outcome in outcomes[system] if outcome.failure
                ],
            }
        if shown:
            tables[table_name] = {
                "caption": table.caption,
                "columns": table.columns,
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


def _scores(name: str, runs: list[tuple[PlannedRun, Outcome]]) -> list[float]:
    """Return a score of every seed that came to its end."""
    scores = [outcome.score(name, run.recipe) for run, outcome in runs]
    return [score for score in scores if score is not None and math.isfinite(score)]


def _seconds(systems: list[list[tuple[PlannedRun, Outcome]]]) -> float:
    """Return the mean seconds of training, over seeds, of all runs of a row."""
    return round(sum(statistics.fmean(outcome.seconds for _, outcome in runs) for runs in systems if runs), 1)
