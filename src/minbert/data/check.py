"""What is in the files of a recipe's tasks, and what is wrong with it: ``minbert data check``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from pathlib import Path

import numpy as np

from minbert.data.early_facts import label_facts
from minbert.data.examples import Labels, Split, advice_on, examine_split, same_content
from minbert.data.relabelling import labels_of
from minbert.data.task_files import Columns, TaskFiles
from minbert.data.task_splits import held_out_part
from minbert.errors import UserError
from minbert.tasks.kinds import Kind


@dataclass(frozen=True)
class Lengths:
    """How long the texts of a split are; each text of a pair counts by itself."""

    minimum: int
    median: float
    percentile_95: int
    maximum: int


@dataclass(frozen=True)
class Scores:
    """The labels of a regression split."""

    mean: float
    deviation: float
    minimum: float
    maximum: float


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


TokenCounter = Callable[[str, Split], Sequence[int]]
"""From a task's name and a split to the tokens of every sequence, special ones included."""


def check(
    tasks: Mapping[str, tuple[TaskFiles, Kind]],
    folder: Path,
    count_tokens: TokenCounter | None = None,
    max_length: int | None = None,
    metrics: Mapping[str, str] | None = None,
) -> Report:
    """Read every file of every task, and report.

    Args:
        tasks: for each task, its files and what its labels are.
        folder: the data folder.
        count_tokens: counts the tokens of each sequence the encoder would read; without it none are counted.
        max_length: the number of tokens above which a sequence counts as too long.
        metrics: the tasks' own, where they are known; advice goes by them.
    """
    of_tasks = metrics or {}
    reports = [
        _check_task(name, files, kind, folder, count_tokens, max_length, of_tasks.get(name))
        for name, (files, kind) in tasks.items()
    ]
    return Report(reports, max_length)


def _check_task(
    name: str,
    files: TaskFiles,
    kind: Kind,
    folder: Path,
    count_tokens: TokenCounter | None,
    max_length: int | None,
    metric: str | None,
) -> TaskReport:
    reports: list[SplitReport] = []
    contents: dict[str, list[str]] = {}
    for split_name, path, columns, read in _all_files(files, kind, folder):
        try:
            split, problems = examine_split(path, columns, read, labelled=None if split_name == "test" else True)
            if files.held_out is not None and split_name in ("train", "dev") and split.ids:
                split = held_out_part(split, files, kind, split_name, name=name)
                problems = problems if split_name == "train" else []  # of the same file
        except UserError as error:
            reports.append(SplitReport(split_name, path, problems=[str(error)]))
            continue
        texts_of_rows = [split.first] if split.second is None else [split.first, split.second]
        contents[split_name] = [same_content(texts) for texts in zip(*texts_of_rows, strict=True)]
        texts = list(chain(*texts_of_rows))
        words = np.array([len(text.split()) for text in texts], dtype=np.int64)
        tokens = np.array(count_tokens(name, split) if count_tokens else [], dtype=np.int64)
        reports.append(
            SplitReport(
                split_name,
                path,
                rows=len(split),
                classes=_classes(split, kind),
                scores=_scores(split, kind),
                words=_lengths(words),
                tokens=_lengths(tokens),
                too_long=0 if max_length is None else int((tokens > max_length).sum()),
                repeated=len(split) - len(set(contents[split_name])),
                left_out=split.left_out,
                problems=[str(problem) for problem in problems],
                advice=advice_on(problems),
            )
        )
    return TaskReport(name, reports, _overlaps(contents), _label_facts(reports, kind, metric))


def _all_files(files: TaskFiles, kind: Kind, folder: Path) -> Iterator[tuple[str, Path, Columns, Labels]]:
    """Yield what each file is for, where it is, its columns and how its labels are read; files to train on first."""
    for split, file in files.split_files.items():
        yield split, folder / file, files, labels_of(files, kind)
        if split == "train":
            for shared in files.also_train_on:
                yield f"train ({shared.file})", folder / shared.file, shared, labels_of(shared, kind)


def _label_facts(splits: Sequence[SplitReport], kind: Kind, metric: str | None) -> list[str]:
    counts: dict[str, Counter[str]] = {}
    for split in splits:  # "train (more.tsv)" is more of train
        counts.setdefault(split.name.partition(" ")[0], Counter()).update(split.classes or {})
    rows = sum(split.rows for split in splits if split.name.startswith("train"))
    return label_facts(kind, counts, rows, metric)


def _classes(split: Split, kind: Kind) -> dict[str, int] | None:
    return None if split.labels is None else kind.class_counts(split.labels) or None


def _scores(split: Split, kind: Kind) -> Scores | None:
    if split.labels is None or kind.class_names or not len(split):
        return None
    values = split.labels
    return Scores(float(values.mean()), float(values.std()), float(values.min()), float(values.max()))


def _lengths(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Lengths | None:
    if not len(counts):
        return None
    # The smallest length that 95 % of the texts do not exceed, not a value between two lengths.
    percentile_95 = np.percentile(counts, 95, method="inverted_cdf")
    return Lengths(int(counts.min()), float(np.median(counts)), int(percentile_95), int(counts.max()))


def _overlaps(contents: Mapping[str, list[str]]) -> list[Overlap]:
    overlaps: list[Overlap] = []
    for earlier, later in combinations(contents, 2):
        known = set(contents[earlier])
        rows = sum(content in known for content in contents[later])
        if rows:
            overlaps.append(Overlap(earlier, later, rows))
    return overlaps


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
