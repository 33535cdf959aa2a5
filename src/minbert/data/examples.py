"""The examples of one split of a task, read strictly: either every row is usable, or the reading tells all faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from minbert.data.label_cells import has_labels, is_unlabelled, label_text, raw_label
from minbert.data.row import Flaw, Problem, Row, missing_column
from minbert.data.rows import read_rows, told_empty
from minbert.data.task_files import Columns
from minbert.errors import UserError, shown
from minbert.tasks.kinds import Label

_UNLABELLED = "Give these rows labels, or leave them out: 'skip_unlabelled: true' beside the task's 'label'."

_MINUS_ONE = ("-1", "-1.0")


class Labels(Protocol):
    """How the text of a label is read."""

    @property
    def several(self) -> bool:
        """Whether a row may have several classes, as a JSON list."""

    def parse(self, text: str) -> Label | None:
        """Return the label, or None for a row to leave out; ValueError says what is wrong with it."""


@dataclass(frozen=True)
class Split:
    """The rows of one file, column by column; ``second`` only for pairs, ``labels`` only where there are any.

    ``unlabelled`` are the lines of the rows that the task leaves out because they have no label. ``withheld`` says that
    the file has a column of labels without a label in it.
    """

    path: Path
    ids: list[str]
    first: list[str]
    second: list[str] | None
    labels: NDArray[np.float64] | None
    unlabelled: list[int] = field(default_factory=list)
    withheld: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def texts(self) -> list[str] | list[tuple[str, str]]:
        """The text of each row, or its two texts."""
        return self.first if self.second is None else list(zip(self.first, self.second, strict=True))

    @property
    def left_out(self) -> str | None:
        """Say which rows are left out, if any are."""
        if not self.unlabelled:
            return None
        lines = ", ".join(map(str, self.unlabelled[:5])) + (", ..." if len(self.unlabelled) > 5 else "")
        rows = "1 row has" if len(self.unlabelled) == 1 else f"{len(self.unlabelled):,} rows have"
        return f"{self.path}: {rows} no complete label, and the task leaves such rows out (line {lines})"

    def take(self, rows: NDArray[np.int64]) -> Split:
        """Return the rows with these numbers."""
        return replace(
            self,
            ids=[self.ids[row] for row in rows],
            first=[self.first[row] for row in rows],
            second=None if self.second is None else [self.second[row] for row in rows],
            labels=None if self.labels is None else self.labels[rows],
        )


def same_content(texts: Sequence[str]) -> str:
    """Return a key that rows share when only case, white space or the order of a pair tells them apart."""
    return "\0".join(sorted(" ".join(text.casefold().split()) for text in texts))


def advice_on(problems: Iterable[Problem]) -> list[str]:
    """Return what to do about problems, each advice once."""
    return list(dict.fromkeys(problem.advice for problem in problems if problem.advice))


class BadDataError(UserError):
    """Rows of a file cannot be used. ``problems`` holds all of them, the message the first five."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        rows = "1 row" if len(problems) == 1 else f"{len(problems):,} rows"
        lines = [f"{path}: {rows} cannot be used.", *(f"  {problem}" for problem in problems[:5])]
        if len(problems) > 5:
            lines.append(f"  ... and {len(problems) - 5:,} more; 'minbert data check' shows all of them.")
        lines += advice_on(problems)
        super().__init__("\n".join(lines))


def read_split(path: Path, columns: Columns, labels: Labels, labelled: bool | None = True) -> Split:
    """Read the examples of one file. Texts, ids and labels are stripped of outer white space.

    Args:
        path: the file.
        columns: which of them hold what.
        labels: how a label is read: the task's own way, or a translation from another task's.
        labelled: True reads the labels, False leaves them out, None reads them if there are any: not where the file
            lacks their column, or holds nothing but empty labels and, where that is no label, -1 (as GLUE's do).
            Where ``columns.skip_unlabelled``, rows without a label are left out.

    Raises:
        BadDataError: rows cannot be used.
        UserError: the file cannot be used as a whole, lacks a column, or holds no rows, or none but those to leave out.
    """
    split, problems = examine_split(path, columns, labels, labelled)
    if problems:
        raise BadDataError(path, problems)
    if not split.ids:
        raise UserError(f"{path}: '{'skip_unlabelled' if split.unlabelled else 'labels'}' leaves out every row.")
    return split


def examine_split(
    path: Path, columns: Columns, labels: Labels, labelled: bool | None = True
) -> tuple[Split, list[Problem]]:
    """Return the usable examples of one file, and what is wrong with each of the others (see ``read_split``).

    Raises:
        UserError: the file cannot be used as a whole, lacks a column, or holds no rows.
    """
    problems: list[Problem] = []
    collected: _Collected | None = None
    number = 0
    for number, row in enumerate(read_rows(path), start=1):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        if collected is None:
            with_labels = has_labels(row, columns, labels.several) if labelled is None else labelled
            _require_columns(path, row, columns, labels if with_labels else None)
            collected = _Collected(columns, labels if with_labels else None)
        faults = collected.add(number, row)
        if faults:
            advice = " ".join(fault.advice for fault in faults).strip()
            problems.append(Problem(path, row.line, "; ".join(fault.message for fault in faults), advice))
    if number == 0:
        raise UserError(told_empty(path))
    if labelled is None and collected is not None and collected.withheld == number:
        split, problems = examine_split(path, columns, labels, labelled=False)
        return replace(split, withheld=True), problems
    return (collected or _Collected(columns, labels)).split(path), problems


@dataclass
class _Collected:
    """The usable rows so far. ``labels`` is None where labels are not read."""

    columns: Columns
    labels: Labels | None
    ids: list[str] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=list)
    values: list[Label] = field(default_factory=list)
    line_of_id: dict[str, int] = field(default_factory=dict)
    unlabelled: list[int] = field(default_factory=list)
    withheld: int = 0
    """How many rows have an empty label, or -1 where that is none."""

    def add(self, number: int, row: Row) -> list[Flaw]:
        """Keep the row if nothing is wrong with it and its label is not one to leave out; return what is wrong."""
        columns = self.columns.text_columns
        texts = [row.values.get(column, "").strip() for column in columns]
        value: Label | None = None
        wanted = [*columns, self.columns.id or ""]
        if self.labels is not None and not has_labels(row, self.columns, self.labels.several):
            wanted += self.columns.label_columns
        if odd := [column for column in wanted if column in row.unusable]:
            return [Flaw(f"column '{column}' holds {row.unusable[column]}") for column in odd]
        faults = [Flaw(f"no text in column '{name}'") for name, text in zip(columns, texts, strict=True) if not text]
        row_id = str(number) if self.columns.id is None else row.values.get(self.columns.id, "").strip()
        if not row_id:
            faults.append(Flaw(f"no id in column '{self.columns.id}'"))
        elif len(row_id.splitlines()) > 1 or " , " in row_id:
            told = f"the id '{shown(row_id)}' has a line break or ' , ' in it, which no prediction file can hold"
            faults.append(Flaw(told))
        elif self.line_of_id.setdefault(row_id, row.line) != row.line:
            faults.append(Flaw(f"the id '{shown(row_id)}' is already on line {self.line_of_id[row_id]}"))
        if self.labels is not None:
            label = raw_label(row, self.columns)
            self.withheld += not label
            if self.columns.skip_unlabelled and is_unlabelled(row, self.columns):
                self.unlabelled.append(row.line)
                return []
            try:
                value = self.labels.parse(label_text(row, self.columns))
            except ValueError as error:
                self.withheld += label in _MINUS_ONE
                missing = Flaw(f"no label in column '{self.columns.label_columns[0]}'", _UNLABELLED)
                advice = _UNLABELLED if is_unlabelled(row, self.columns) else ""
                faults.append(Flaw(str(error).replace(label, shown(label)), advice) if label else missing)
        if not faults and (self.labels is None or value is not None):
            self.ids.append(row_id)
            self.texts.append(texts)
            if value is not None:
                self.values.append(value)
        return faults

    def split(self, path: Path) -> Split:
        """Return the kept rows."""
        first = [texts[0] for texts in self.texts]
        second = [texts[1] for texts in self.texts] if len(self.columns.text_columns) == 2 else None
        labels = None if self.labels is None else np.array(self.values, dtype=np.float64)
        return Split(path, self.ids, first, second, labels, self.unlabelled)


def _require_columns(path: Path, row: Row, columns: Columns, labels: Labels | None) -> None:
    lacking = labels is not None and not has_labels(row, columns, labels.several)
    of_labels = columns.label_columns if lacking else ()
    wanted = [*columns.text_columns, *of_labels, *([columns.id] if columns.id else [])]
    if missing := missing_column(row, wanted):
        raise UserError(f"{path}: {missing}")
