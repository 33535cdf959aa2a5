"""The report of ``minbert data check``: what it says of each file, and how that reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from minbert.data.tally import Lengths, Scores


@dataclass(frozen=True)
class SplitReport:
    """One file: what its usable rows hold, and the problems of the others. ``name`` says what it is for.

    ``classes`` counts the rows of each class, ``scores`` stands for regression; neither where there are no labels.
    ``too_long`` counts the sequences of more tokens than the limit, and ``repeated`` the rows that say the same as an
    earlier one; ``left_out`` says which rows are, and ``advice`` what to do about the problems.
    """

    name: str
    path: Path
    rows: int = 0
    classes: dict[str, int] | None = None
    scores: Scores | None = None
    words: Lengths | None = None
    tokens: Lengths | None = None
    too_long: int = 0
    repeated: int = 0
    left_out: str | None = None
    problems: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Overlap:
    """How many rows of the file for ``later`` also stand in that for ``earlier``."""

    earlier: str
    later: str
    rows: int


@dataclass(frozen=True)
class TaskReport:
    """The files of one task."""

    name: str
    splits: list[SplitReport]
    overlaps: list[Overlap]
    facts: list[str] = field(default_factory=list)
    """What is worth knowing of the labels; see ``label_facts``."""


@dataclass(frozen=True)
class Report:
    """What ``check`` found. Problems make the data unusable; overlaps and repeated rows are worth knowing."""

    tasks: list[TaskReport]
    max_length: int | None = None

    @property
    def problems(self) -> list[str]:
        """The problems of all files."""
        return [problem for task in self.tasks for split in task.splits for problem in split.problems]

    @property
    def warnings(self) -> int:
        """How many lines of the report warn."""
        repeated = sum(bool(split.repeated) for task in self.tasks for split in task.splits)
        return repeated + sum(len(task.overlaps) + len(task.facts) for task in self.tasks)


def render(report: Report) -> list[str]:
    """Return the report as lines of text."""
    lines: list[str] = []
    for task in report.tasks:
        lines.append(task.name)
        for split in task.splits:
            lines += [f"  {line}" for line in _render_split(split, report.max_length)]
        lines += [
            f"  warning: {_count(overlap.rows, 'row')} of {overlap.later} also in {overlap.earlier}"
            for overlap in task.overlaps
        ]
        lines += [f"  warning: {fact}" for fact in task.facts]
    if report.problems:
        return [*lines, f"{_count(len(report.problems), 'problem')} found."]
    return [*lines, f"No errors, {_count(report.warnings, 'warning')}." if report.warnings else "No problems found."]


def _render_split(split: SplitReport, max_length: int | None) -> list[str]:
    lines = [f"{split.name}: {_count(split.rows, 'row')} ({split.path})"]
    if split.classes is not None:
        total = max(split.rows, 1)
        shares = (f"{name}: {count:,} ({count / total:.1%})" for name, count in split.classes.items())
        lines.append(f"  labels: {', '.join(shares)}")
    if split.scores is not None:
        scores = split.scores
        spread = f"standard deviation {scores.deviation:.3f}, from {scores.minimum:g} to {scores.maximum:g}"
        lines.append(f"  labels: mean {scores.mean:.3f}, {spread}")
    for unit, lengths in (("words a text", split.words), ("tokens a sequence", split.tokens)):
        if lengths is not None:
            middle = f"median {lengths.median:g}, 95% at most {lengths.percentile_95:,}"
            lines.append(f"  {unit}: {lengths.minimum:,} to {lengths.maximum:,}, {middle}")
    if split.too_long:
        lines.append(f"  {_count(split.too_long, 'sequence')} longer than {max_length:,} tokens, and so cut")
    if split.repeated:
        lines.append(f"  warning: {_count(split.repeated, 'row')} with the content of an earlier one")
    if split.left_out:
        lines.append(f"  note: {split.left_out}")
    lines += [f"  problem: {problem}" for problem in split.problems]
    return lines + [f"  what to do: {advice}" for advice in split.advice]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
