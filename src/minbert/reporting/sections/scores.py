"""Every system's dev scores with their uncertainty, beside answers that took no reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minbert.encoder.sources import MINILM, MINILM_DESCRIPTION
from minbert.evaluation.intervals import Interval, score_interval
from minbert.reporting.material import Material, System
from minbert.reporting.page import Block, Card, Section, Table
from minbert.reporting.records import RunRecords, TaskFacts
from minbert.seeds import Spread

Intervals = Mapping[tuple[str, str], Interval]
"""The interval of a system's score on a task, by their names; where the answers are there to make one."""

_INTERVALS = (
    "In brackets: 95 % bootstrap intervals over dev rows, of several seeds over rows and seeds. Two systems whose "
    "intervals overlap may still differ, because they answered the same rows; minbert compare tests that."
)


def intervals(material: Material) -> dict[tuple[str, str], Interval]:
    """Return the interval of every score whose answers are kept, the seeds of a system taken together."""
    found = {}
    for system in material.systems:
        for task, facts in material.tasks.items():
            answers = [run.answers[task] for run in system.runs if task in run.answers]
            complete = len(answers) == len(system.scores(task, facts.metric))
            if answers and complete and all(other.same_rows(answers[0]) for other in answers[1:]):
                found[system.name, task] = score_interval(facts.kind, facts.metric, answers)
    return found


def cards(material: Material, known: Intervals) -> list[Card]:
    """Return each task's best score, to be seen first."""
    made = []
    for task, facts in material.tasks.items():
        means = {
            system.name: Spread.of(scores).mean
            for system in material.systems
            if (scores := system.scores(task, facts.metric))
        }
        if not means:
            continue
        best = max(means, key=lambda name: means[name])
        lines = []
        if (interval := known.get((best, task))) is not None:
            lines.append(f"95 % interval {interval.low:.3f} to {interval.high:.3f}")
        if (constant := _constant(material, task)) is not None:
            lines.append(f"always the same answer: {constant}")
        if len(means) > 1:
            lines.append(f"the best of {len(means)} systems: {best}")
        made.append(Card(f"{task}, {facts.metric}", f"{means[best]:.3f}", lines))
    return made


def encoder_note(material: Material) -> str:
    """Return what must be known of the encoder beside any score of it; nothing of most."""
    encoders = {run.recipe.encoder.name for system in material.systems for run in system.runs if run.recipe is not None}
    encoders |= {str(run.metrics.get("encoder")) for system in material.systems for run in system.runs}
    return f"The encoder minilm is {MINILM_DESCRIPTION}" if MINILM in encoders else ""


def scores(material: Material, detailed: Sequence[System], known: Intervals) -> Section:
    """Return the section."""
    blocks: list[Block] = [_table(material, known)]
    blocks += [_before_and_after(detailed)] if any(system.first.dev for system in detailed) else []
    missing = []
    lacking = [
        system.name
        for system in material.systems
        if any((system.name, task) not in known and system.scores(task, facts.metric) for task, facts in system.tasks.items())
    ]
    if lacking:
        missing.append(
            f"Scores without an interval are of runs that keep no answers to dev, or whose seeds answered different rows: "
            f"{', '.join(lacking)}."
        )
    return Section("scores", "Scores", blocks, missing)


def _table(material: Material, known: Intervals) -> Table:
    tasks = material.tasks
    several = len(tasks) > 1
    seeds = any(len(system.runs) > 1 for system in material.systems)
    header = ["system", *(["seeds"] if seeds else []), *(f"{name}, {facts.metric}" for name, facts in tasks.items())]
    constants = [_constant(material, task) or "" for task in tasks]
    rows = [["always the same answer", *([""] if seeds else []), *constants, *([""] if several else [])]]
    for system in material.systems:
        row = [system.name, *([str(len(system.runs))] if seeds else [])]
        for task, facts in tasks.items():
            row.append(_score(system.scores(task, facts.metric), known.get((system.name, task))))
        overall = system.overall()
        rows.append([*row, *([str(Spread.of(overall)) if overall and len(system.tasks) > 1 else ""] if several else [])])
    notes = [_INTERVALS] if known else []
    if several:
        notes.append("Overall is the mean of the tasks' scores.")
    if seeds:
        notes.append("± is the standard deviation over seeds.")
    notes.append(encoder_note(material))
    return Table("Dev scores", [*header, *(["overall"] if several else [])], rows, " ".join(filter(None, notes)))


def _score(found: Sequence[float], interval: Interval | None) -> str:
    if not found:
        return ""
    return f"{Spread.of(found)}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval is not None else "")


def _constant(material: Material, task: str) -> str | None:
    """Return what the best constant answer scores on a task, by the first run that says so."""
    for system in material.systems:
        for run in system.runs:
            base = run.metrics.get("baselines", {}).get(task)
            if base is not None:
                return f"{base['score']:.3f} ({base['name']})"
    return None


def _before_and_after(detailed: Sequence[System]) -> Table:
    rows = []
    for system in detailed:
        for task, facts in system.tasks.items():
            rows += _rows_of_task(system, task, facts)
    header = ["system", "task", "metric", "untrained", "kept model", "at step", "best of the task", "at step"]
    note = (
        "The kept model is that of the step with the best score by the recipe's training.select. The best of the task is "
        "what its own metric reached at any evaluation. Of several seeds, the first finished one is shown."
    )
    return Table("Before and after training", header, rows, note, words=frozenset({0, 1, 2}))


def _rows_of_task(system: System, task: str, facts: TaskFacts) -> list[list[str]]:
    run = system.first
    before = _untrained(run, task)
    best, steps = run.metrics.get("best_of_task", {}).get(task), run.metrics.get("best_step")
    rows = []
    for metric, score in run.dev.get(task, {}).items():
        own = metric == facts.metric and best is not None
        rows.append(
            [
                system.name,
                task,
                metric,
                f"{before[metric]:.3f}" if metric in before else "",
                f"{score:.3f}",
                f"{steps:,}" if steps is not None else "",
                f"{best['score']:.3f}" if own else "",
                f"{best['step']:,}" if own else "",
            ]
        )
    return rows


def _untrained(run: RunRecords, task: str) -> Mapping[str, float]:
    if "untrained" in run.metrics:
        scores: Mapping[str, float] = run.metrics["untrained"].get(task, {})
        return scores
    started = next((line["dev"] for line in run.history if line["step"] == 0), {})
    return started.get(task, {})
