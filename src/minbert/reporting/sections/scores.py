"""Every system's dev scores with their uncertainty, beside answers that took no reading."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from minbert.encoder.sources import MINILM, MINILM_DESCRIPTION
from minbert.evaluation.intervals import Interval, score_interval
from minbert.recipe.seeds import Spread
from minbert.reporting.figure import Figure
from minbert.reporting.figures.systems import system_bars
from minbert.reporting.material import Material, Measure, System
from minbert.reporting.page import Block, Card, Drawn, Section, Table
from minbert.reporting.records import RunRecords, TaskFacts
from minbert.tasks.metrics import with_direction, worth

Intervals = Mapping[tuple[str, str], Interval]
"""The interval of a score, by the names of system and measure; where the answers are there to make one."""

_INTERVALS = (
    "In brackets: 95 % bootstrap intervals over dev rows, of several seeds over rows and seeds. Two systems whose "
    "intervals overlap may still differ, because they answered the same rows; minbert compare tests that."
)


def intervals(material: Material) -> dict[tuple[str, str], Interval]:
    """Return the interval of every score whose answers are kept, the seeds of a system taken together."""
    found = {}
    for measure in material.measures():
        task, facts = measure.task, measure.facts
        for system in measure.systems:
            answers = [run.answers[task] for run in system.scored if task in run.answers]
            complete = len(answers) == len(system.scores(task, facts.metric))
            if answers and complete and all(other.same_rows(answers[0]) for other in answers[1:]):
                found[system.name, measure.name] = score_interval(facts.kind, facts.metric, answers)
    return found


def cards(material: Material, known: Intervals) -> list[Card]:
    """Return each measure's best score, to be seen first."""
    made = []
    for measure in material.measures():
        means = measure.means()
        if not means:
            continue
        metric = measure.facts.metric
        best = max(means, key=lambda name: worth(metric, means[name]))
        lines = []
        if (interval := known.get((best, measure.name))) is not None:
            lines.append(f"95 % interval {interval.low:.3f} to {interval.high:.3f}")
        if constant := _constant(measure):
            lines.append(f"always the same answer: {constant}")
        if len(means) > 1:
            lines.append(f"the best of {len(means)} systems: {best}")
        made.append(Card(_headed(measure), f"{means[best]:.3f}", lines))
    return made


def encoder_note(material: Material) -> str:
    """Return what must be known of the encoder beside any score of it; nothing of most."""
    encoders = {run.recipe.encoder.name for system in material.systems for run in system.runs if run.recipe is not None}
    encoders |= {str(run.metrics.get("encoder")) for system in material.systems for run in system.runs}
    return f"The encoder minilm: {MINILM_DESCRIPTION}" if MINILM in encoders else ""


def scores(material: Material, detailed: Sequence[System], known: Intervals) -> Section:
    """Return the section."""
    blocks: list[Block] = [_table(material, known)]
    bars = _bars(material, known)
    if bars is not None and len(material.systems) > 1:
        blocks.append(Drawn(bars))
    blocks += [_before_and_after(detailed)] if any(system.first.dev for system in detailed) else []
    missing = []
    lacking = {
        name: None for measure in material.measures() for name in measure.means() if (name, measure.name) not in known
    }
    if lacking:
        missing.append(
            "Scores without an interval are of runs that keep no answers to dev, or whose seeds answered different "
            f"rows: {', '.join(lacking)}."
        )
    return Section("scores", "Scores", blocks, missing)


def _table(material: Material, known: Intervals) -> Table:
    measures, overall = material.measures(), material.overall()
    seeds = any(len(system.runs) > 1 for system in material.systems)
    header = ["system", *(["seeds"] if seeds else []), *map(_headed, measures)]
    rows = [
        [
            "always the same answer",
            *([""] if seeds else []),
            *(_constant(m).replace(", ", "\n", 1) for m in measures),
            *([""] if overall else []),
        ]
    ]
    for system in material.systems:
        name = system.name if system.first.finished else f"{system.name} (not finished)"
        row = [name, *([str(len(system.scored))] if seeds else [])]
        for measure in measures:
            found = system.scores(measure.task, measure.facts.metric) if system in measure.systems else []
            row.append(_score(found, known.get((system.name, measure.name))))
        if overall:
            row.append(_score(overall.get(system.name, []), None))
        rows.append(row)
    notes = [_INTERVALS] if known else []
    if overall:
        notes.append("Overall is the mean of the tasks' scores.")
    if seeds:
        notes.append("± is the standard deviation over seeds.")
    if encoder_note(material):
        notes.append("minilm was trained on part of Quora's pairs, see the top of the page.")
    return Table("Dev scores", [*header, *(["overall"] if overall else [])], rows, " ".join(notes))


def _bars(material: Material, known: Intervals) -> Figure | None:
    """Return the bars of every system; one without an interval has bars alone."""
    systems: dict[str, dict[str, tuple[float, float, float]]] = {system.name: {} for system in material.systems}
    measures, overall = material.measures(), material.overall()
    for measure in measures:
        for name, mean in measure.means().items():
            systems[name][measure.name] = known.get((name, measure.name), Interval(mean, mean, mean))
    for name, scores in overall.items():
        systems[name]["overall"] = (statistics.fmean(scores),) * 3
    baseline = material.systems[0].name
    return system_bars(systems, {measure.name: measure.facts.metric for measure in measures}, baseline)


def _score(found: Sequence[float], interval: Interval | None) -> str:
    if not found:
        return ""
    return f"{Spread.of(found)}" + (f"\n[{interval.low:.3f}, {interval.high:.3f}]" if interval is not None else "")


def _headed(measure: Measure) -> str:
    return f"{measure.name}, {with_direction(measure.facts.metric)}"


def _constant(measure: Measure) -> str:
    """Return what the best constant answer scores, by the first run that says so; nothing where none does."""
    for system in measure.systems:
        for run in system.runs:
            base = run.metrics.get("baselines", {}).get(measure.task)
            if base is not None:
                return f"{base['score']:.3f}, {base['name']}"
    return ""


def _before_and_after(detailed: Sequence[System]) -> Table:
    header = ["task", "metric", "before training", "kept model", "at step", "best of the task", "at step"]
    rows = []
    for system in detailed:
        for task, facts in system.tasks.items():
            rows += [[system.name, *row] for row in _rows_of_task(system.first, task, facts)]
    note = (
        "The kept model is that of the step with the best score by the recipe's training.select. The best of the task "
        "is what its own metric reached at any evaluation."
    )
    if len(detailed) == 1:
        rows = [row[1:] for row in rows]
        return Table("Before and after training", header, rows, note, words=frozenset({0, 1}))
    note += " Of several seeds, the first finished one is shown."
    return Table("Before and after training", ["system", *header], rows, note, words=frozenset({0, 1, 2}))


def _rows_of_task(run: RunRecords, task: str, facts: TaskFacts) -> list[list[str]]:
    before = _before_training(run, task)
    best = run.metrics.get("best_of_task", {}).get(task)
    rows = []
    for metric, score in run.dev.get(task, {}).items():
        own = metric == facts.metric and best is not None
        rows.append(
            [
                task,
                with_direction(metric),
                f"{before[metric]:.3f}" if metric in before else "",
                f"{score:.3f}",
                f"{run.best_step:,}" if run.best_step is not None else "",
                f"{best['score']:.3f}" if own else "",
                f"{best['step']:,}" if own else "",
            ]
        )
    return rows


def _before_training(run: RunRecords, task: str) -> Mapping[str, float]:
    before: Mapping[str, Any] = run.metrics.get("before_training", {})
    if not before and run.history and run.history[0]["step"] == 0:
        before = run.history[0]["dev"]
    scores: Mapping[str, float] = before.get(task, {})
    return scores
