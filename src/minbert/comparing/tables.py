"""How a comparison is told: a table, a sentence a system, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from minbert.comparing.choosing import Choice
from minbert.comparing.compare import TO_BASELINE, TO_SINGLE_TASK, ComparedScore, Comparison, ShownDifference
from minbert.display.columns import Column, Fields, csv_table, escaped, filled, markdown_table
from minbert.tasks.metrics import METRICS, with_direction

COLUMNS: dict[str, Column[ComparedScore]] = {
    "system": Column("system", lambda score: score.system, numeric=False),
    "task": Column("task", lambda score: f"{score.task} ({_metric(score)})", numeric=False),
    "seeds": Column("seeds", lambda score: str(score.runs)),
    "score": Column("score", lambda score: f"{score.score:.3f}"),
    "interval": Column("interval", lambda score: f"{score.low:.3f} to {score.high:.3f}"),
    "log loss": Column("log loss", lambda score: "" if score.log_loss is None else f"{score.log_loss:.3f}"),
    "to baseline": Column("to baseline", lambda score: _difference(score.to_baseline)),
    "p to baseline": Column("p", lambda score: _p(score.to_baseline)),
    "to single task": Column(
        "to single task",
        lambda score: _difference(score.to_single_task, ", negative transfer" if score.negative_transfer else ""),
    ),
    "p to single task": Column("p", lambda score: _p(score.to_single_task)),
}
"""What people read of a score; p is the corrected one."""

_NARROWED = ("system", "task", "seeds", "score", "interval")
"""What a table of one system says in its title, or in its first two columns."""


def _of(difference: str, name: str) -> Callable[[ComparedScore], Any]:
    return lambda score: getattr(getattr(score, difference), name, None)


FIELDS: Fields[ComparedScore] = {
    **{
        name: attrgetter(name)
        for name in ("system", "task", "metric", "rows", "runs", "score", "low", "high", "log_loss")
    },
    **{
        f"{kind.removeprefix('to_')}_{name}": _of(kind, name)
        for kind in (TO_BASELINE, TO_SINGLE_TASK)
        for name in ("to", "difference", "low", "high", "p", "p_holm")
    },
    "negative_transfer": lambda score: None if score.to_single_task is None else score.negative_transfer,
}
"""What programs read of a score."""


def columns(comparison: Comparison) -> list[Column[ComparedScore]]:
    """Return the columns of one table of all scores: those that have something in them."""

    def to_baseline(score: ComparedScore) -> str:
        return "baseline" if score.system == comparison.baseline else COLUMNS["to baseline"].text(score)

    marked = COLUMNS | {"to baseline": Column("to baseline", to_baseline)}
    return list(filled(marked, comparison.scores).values())


def narrow_columns(scores: Collection[ComparedScore]) -> list[Column[ComparedScore]]:
    """Return the columns of one system's scores for a terminal: what is in brackets and intervals stand below."""

    def task(score: ComparedScore) -> str:
        metric = _metric(score).replace(", ", ",\n")
        return f"{score.task}\n({metric})"

    def dev(score: ComparedScore) -> str:
        return f"{COLUMNS['score'].text(score)}\n{COLUMNS['interval'].text(score).replace(' to ', '–')}"

    def narrow(column: Column[ComparedScore]) -> Column[ComparedScore]:
        return replace(column, text=lambda row: column.text(row).replace(" (", "\n(", 1).replace(" to ", ", "))

    others = {name: column for name, column in COLUMNS.items() if name not in _NARROWED}
    narrowed = [narrow(column) for column in filled(others, scores).values()]
    return [Column("score", task, numeric=False), Column("dev", dev), *narrowed]


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
        f"below {1 - comparison.confidence:.2g} and the interval does not hold 0. Elsewhere no difference is shown, "
        "though there may be one."
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
    table = markdown_table(columns(comparison), comparison.scores)
    told = "\n".join(f"- {escaped(name)}: {'; '.join(parts)}." for name, parts in sentences(comparison).items())
    parts = [f"Baseline: {escaped(comparison.baseline)}", table, told, "\n\n".join(remarks(comparison))]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_csv(comparison: Comparison) -> str:
    """Return a line a score, every number in full."""
    return csv_table(FIELDS, comparison.scores)


def _difference(difference: ShownDifference | None, mark: str = "") -> str:
    if difference is None:
        return ""
    return f"{difference.difference:+.3f} ({difference.low:+.3f} to {difference.high:+.3f}){mark}"


def _p(difference: ShownDifference | None) -> str:
    if difference is None:
        return ""
    return "<0.001" if difference.p_holm < 0.001 else f"{difference.p_holm:.3f}"


def _sentence(compared: Sequence[tuple[ComparedScore, ShownDifference]]) -> str:
    """Return ``better on ... by ... points; worse on ...; no difference shown on ...``."""
    parts = []
    for word, shown in (("better", 1), ("worse", -1)):
        found = []
        for score, difference in compared:
            if difference.shown == shown:
                low, high = sorted((abs(difference.low), abs(difference.high)))
                found.append(f"{score.task} by {_amount(score.metric, low, high)}")
        if found:
            parts.append(f"{word} on {_listed(found)}")
    if open_ := [score.task for score, difference in compared if not difference.shown]:
        parts.append(f"no difference shown on {_listed(open_)}")
    return "; ".join(parts)


def _metric(score: ComparedScore) -> str:
    return with_direction(score.metric).replace(" (", ", ").removesuffix(")")


def _amount(metric: str, low: float, high: float) -> str:
    """Return how much a difference is: in points of a score from 0 to 1, of an error in the labels' units."""
    if metric in METRICS and METRICS[metric].less_is_better:
        return _range(low, high, 3)
    return f"{_range(100 * low, 100 * high, 1)} points"


def _range(low: float, high: float, decimals: int) -> str:
    """Return both numbers with so many decimals, or with as many as the lower one needs not to look like 0."""
    while low and decimals < 6 and not float(f"{low:.{decimals}f}"):
        decimals += 1
    return f"{low:.{decimals}f} to {high:.{decimals}f}"


def _choice(choice: Choice) -> str:
    often = max(choice.picked, key=lambda name: choice.picked[name])
    return (
        f"Best on {choice.task} of {choice.candidates}: {choice.system}, {choice.score:.3f} on the rows it was chosen "
        f"by. Chosen on one half of dev and scored on the other: {choice.held_out:.3f} (mean of many halvings; the "
        f"choice fell on {often} in {choice.picked[often]:.0%} of them)."
    )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
