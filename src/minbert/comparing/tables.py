"""How a comparison is told: a table, a sentence a system, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from minbert.comparing.choosing import Choice
from minbert.comparing.compare import ComparedScore, Comparison, ShownDifference

HEADINGS = {
    "system": "system",
    "task": "task",
    "seeds": "seeds",
    "score": "score",
    "interval": "interval",
    "log loss": "log loss",
    "to baseline": "to baseline",
    "p to baseline": "p",
    "to single task": "to single task",
    "p to single task": "p",
}
"""The columns of a table, and what stands above each."""


def cells(comparison: Comparison) -> list[dict[str, str]]:
    """Return a line for each score, with a cell for each of ``HEADINGS``; p is the corrected one."""
    lines = []
    for score in comparison.scores:
        line = [score.system, f"{score.task} ({score.metric})", str(score.runs), f"{score.score:.3f}"]
        line.append(f"{score.low:.3f} to {score.high:.3f}")
        line.append("" if score.log_loss is None else f"{score.log_loss:.3f}")
        baseline = "baseline" if score.system == comparison.baseline else ""
        line += _difference(score.to_baseline, baseline)
        line += _difference(score.to_single_task, "", ", negative transfer" if score.negative_transfer else "")
        lines.append(dict(zip(HEADINGS, line, strict=True)))
    return lines


def columns(comparison: Comparison) -> list[str]:
    """Return which columns have something in them."""
    lines = cells(comparison)
    return [column for column in HEADINGS if any(line[column] for line in lines)]


def sentences(comparison: Comparison) -> dict[str, list[str]]:
    """Return what is shown of each system: against the baseline, and against each task trained alone."""
    told = {}
    for system in comparison.systems:
        scores = comparison.of(system.name)
        parts = []
        against = [(score, score.to_baseline) for score in scores if score.to_baseline is not None]
        if against:
            parts.append(_sentence(against))
        alone = [(score, score.to_single_task) for score in scores if score.to_single_task is not None]
        if alone:
            parts.append(f"against each task trained alone: {_sentence(alone)}")
        if any(score.negative_transfer for score in scores):
            where = _listed([score.task for score in scores if score.negative_transfer])
            parts.append(f"negative transfer on {where}")
        if parts:
            told[system.name] = parts
    return told


def remarks(comparison: Comparison) -> list[str]:
    """Return what must be known to read the table."""
    percent = f"{comparison.confidence:.0%}"
    told = [
        f"Scores and differences with {percent} bootstrap intervals over dev rows"
        f"{' and seeds' if any(len(system.seeds) > 1 for system in comparison.systems) else ''}. p: paired permutation "
        "test, Holm-corrected over all scores and systems that are compared. 'Better' and 'worse' are said where p is "
        f"below {1 - comparison.confidence:.2g} and the interval does not hold 0; anything else is not shown, which "
        "does not mean that there is no difference."
    ]
    if any(score.log_loss is not None for score in comparison.scores):
        told.append("Log loss: the mean of -log p of the right class, the lower the better; nothing was tested on it.")
    single = [system.name for system in comparison.systems if len(system.seeds) == 1]
    if single:
        told.append(
            f"One seed only: {_listed(single)}. What is shown of one is shown of that very model, not of its recipe: "
            "another seed may fall elsewhere. minbert sweep RECIPE --seeds 5 trains more."
        )
    few = {score.task: score.rows for score in comparison.scores if score.rows < 100}
    if few:
        told.append(
            f"Few rows: {_listed([f'{task} ({rows})' for task, rows in few.items()])}. Below a hundred, intervals are "
            "somewhat too narrow, and only large differences can be shown."
        )
    picked = sorted({score.to_single_task.to for score in comparison.scores if score.to_single_task is not None})
    if picked:
        told.append(f"Each task trained alone, from the same encoder on the same share of rows: {_listed(picked)}.")
    told += [_choice(choice) for choice in comparison.choices]
    if comparison.unfinished:
        told.append(f"Left out, not finished: {_listed(comparison.unfinished)}.")
    told.append("Dev chose each run's best step, so its scores are a little too good, for all systems alike.")
    return told


def markdown(comparison: Comparison) -> str:
    """Return table, sentences and remarks as Markdown."""
    shown = columns(comparison)
    lines = [HEADINGS, dict.fromkeys(HEADINGS, "---"), *cells(comparison)]
    table = "\n".join(f"| {' | '.join(_escaped(line[column]) for column in shown)} |" for line in lines)
    told = "\n".join(f"- {_escaped(name)}: {'; '.join(parts)}." for name, parts in sentences(comparison).items())
    parts = [f"Baseline: {_escaped(comparison.baseline)}", table, told, "\n\n".join(remarks(comparison))]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_csv(comparison: Comparison) -> str:
    """Return a line a score, every number in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = ("baseline", "single_task")
    fields = ("to", "difference", "low", "high", "p", "p_holm")
    own = ["system", "task", "metric", "rows", "runs", "score", "low", "high", "log_loss"]
    writer.writerow([*own, *(f"{kind}_{name}" for kind in kinds for name in fields), "negative_transfer"])
    for score in comparison.scores:
        line = [getattr(score, name) for name in own]
        for difference in (score.to_baseline, score.to_single_task):
            line += [getattr(difference, name) if difference is not None else "" for name in fields]
        writer.writerow([*line, score.negative_transfer if score.to_single_task is not None else ""])
    return text.getvalue()


def _difference(difference: ShownDifference | None, otherwise: str, mark: str = "") -> list[str]:
    if difference is None:
        return [otherwise, ""]
    interval = f"{difference.difference:+.3f} ({difference.low:+.3f} to {difference.high:+.3f}){mark}"
    return [interval, "<0.001" if difference.p_holm < 0.001 else f"{difference.p_holm:.3f}"]


def _sentence(compared: Sequence[tuple[ComparedScore, ShownDifference]]) -> str:
    """Return ``better on ... by ... points; worse on ...; no difference shown on ...``."""
    parts = []
    for word, shown in (("better", 1), ("worse", -1)):
        found = []
        for score, difference in compared:
            if difference.shown == shown:
                low, high = sorted((abs(difference.low), abs(difference.high)))
                found.append(f"{score.task} by {100 * low:.1f} to {100 * high:.1f} points")
        if found:
            parts.append(f"{word} on {_listed(found)}")
    if open_ := [score.task for score, difference in compared if not difference.shown]:
        parts.append(f"no difference shown on {_listed(open_)}")
    return "; ".join(parts)


def _choice(choice: Choice) -> str:
    often = max(choice.picked, key=lambda name: choice.picked[name])
    return (
        f"Best on {choice.task} of {choice.candidates}: {choice.system}, {choice.score:.3f} on the rows it was chosen "
        f"by. Chosen on one half of dev and scored on the other: {choice.held_out:.3f} (mean of many halvings; the "
        f"choice fell on {often} in {choice.picked[often]:.0%} of them)."
    )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
