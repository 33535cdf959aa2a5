"""Rows of a file examined, some at a time: what of them a task can use, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
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
from minbert.text.batches import batches

_UNLABELLED = "Give these rows labels, or leave them out: 'skip_unlabelled: true' beside the task's 'label'."

_EMPTY = "Give these rows texts, or leave them out: 'skip_empty: true' beside the task's 'text'."

_MINUS_ONE = ("-1", "-1.0")

ROWS_IN_BLOCK = 2048
"""Rows examined at a time: enough for an encoder's batches, few enough to stay small in memory."""


class Labels(Protocol):
    """How the text of a label is read."""

    @property
    def several(self) -> bool:
        """Whether a row may have several classes, as a JSON list."""

    def parse(self, text: str) -> Label | None:
        """Return the label, or None for a row to leave out; ValueError says what is wrong with it."""


class FirstLines(Protocol):
    """Who knows on which line an id came first: a dictionary, or what takes less memory."""

    def setdefault(self, row_id: str, line: int, /) -> int:
        """Return the line where the id came first; that is ``line`` where it has not come before."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive rows of a file: the usable ones, column by column as in ``Split``, and others' problems."""

    ids: list[str]
    first: list[str]
    second: list[str] | None
    labels: NDArray[np.float64] | None
    incomplete: list[int]
    """The lines of rows that are left out because they lack a label or a text."""
    problems: list[Problem]
    rows: int
    """How many rows there are, usable or not."""
    withheld: int
    """How many of them have an empty label, or -1 where that is none."""

    def kept(self, mask: NDArray[np.bool_]) -> Block:
        """Return the block with those of its usable rows (N) that ``mask`` (N,) tells."""
        return replace(
            self,
            ids=list(compress(self.ids, mask)),
            first=list(compress(self.first, mask)),
            second=None if self.second is None else list(compress(self.second, mask)),
            labels=None if self.labels is None else self.labels[mask],
        )


def examined_blocks(
    path: Path, columns: Columns, labels: Labels, labelled: bool | None = True, line_of_id: FirstLines | None = None
) -> Iterator[Block]:
    """Yield the rows of a file, ``ROWS_IN_BLOCK`` at a time, or fewer where they are long.

    Args:
        path: the file.
        columns: which of them hold what.
        labels: how a label is read.
        labelled: True reads the labels, False leaves them out, None reads them where the file has their column.
        line_of_id: finds ids that come twice; by default a dictionary of all.

    Raises:
        UserError: the file cannot be used as a whole, lacks a column, or holds no rows.
    """
    rows = enumerate(read_rows(path, columns.header or (), columns.encoding), start=1)
    first_lines: FirstLines = {} if line_of_id is None else line_of_id
    with_labels, columns_known, empty = labelled is not False, False, True
    for some in batches(rows, ROWS_IN_BLOCK, _characters):
        empty = False
        usable = [row for _, row in some if isinstance(row, Row)]
        if usable and not columns_known:
            if labelled is None:
                with_labels = any(has_labels(row, columns, labels.several) for row in usable)
            _require_columns(path, usable, columns, labels if with_labels else None)
            columns_known = True
        examining = _Examining(columns, labels if with_labels else None, first_lines)
        problems = []
        for number, row in some:
            if isinstance(row, Problem):
                problems.append(row)
            elif faults := examining.add(number, row):
                advice = " ".join(fault.advice for fault in faults).strip()
                problems.append(Problem(path, row.line, "; ".join(fault.message for fault in faults), advice))
        yield examining.block(problems, len(some))
    if empty:
        raise UserError(told_empty(path))


@dataclass(slots=True)
class _Examining:
    """The usable rows of a block so far. ``labels`` is None where labels are not read."""

    columns: Columns
    labels: Labels | None
    line_of_id: FirstLines
    ids: list[str] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=list)
    values: list[Label] = field(default_factory=list)
    incomplete: list[int] = field(default_factory=list)
    withheld: int = 0

    def add(self, number: int, row: Row) -> list[Flaw]:
        """Keep the row if nothing is wrong with it and it is not one to leave out; return what is wrong."""
        columns = self.columns.text_columns
        texts = [row.values.get(column, "").strip() for column in columns]
        value: Label | None = None
        wanted = [*columns, self.columns.id or ""]
        if self.labels is not None and not has_labels(row, self.columns, self.labels.several):
            wanted += self.columns.label_columns
        if odd := [column for column in wanted if column in row.unusable]:
            return [Flaw(f"column '{column}' holds {row.unusable[column]}") for column in odd]
        if self.columns.skip_empty and not all(texts):
            self.incomplete.append(row.line)
            self.withheld += 1  # it tells nothing of labels
            return []
        faults = [
            Flaw(f"no text in column '{name}'", _EMPTY) for name, text in zip(columns, texts, strict=True) if not text
        ]
        row_id = str(number) if self.columns.id is None else row.values.get(self.columns.id, "").strip()
        if not row_id:
            faults.append(Flaw(f"no id in column '{self.columns.id}'"))
        elif len(row_id.splitlines()) > 1 or " , " in row_id:
            told = f"the id '{shown(row_id)}' has a line break or ' , ' in it, which no prediction file can hold"
            faults.append(Flaw(told))
        elif self.columns.id is not None and (line := self.line_of_id.setdefault(row_id, row.line)) != row.line:
            faults.append(Flaw(f"the id '{shown(row_id)}' is already on line {line}"))
        if self.labels is not None:
            label = raw_label(row, self.columns)
            self.withheld += not label
            if self.columns.skip_unlabelled and is_unlabelled(row, self.columns):
                self.incomplete.append(row.line)
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

    def block(self, problems: list[Problem], rows: int) -> Block:
        """Return the kept ones of so many ``rows``, beside others' problems."""
        first = [texts[0] for texts in self.texts]
        second = [texts[1] for texts in self.texts] if len(self.columns.text_columns) == 2 else None
        labels = None if self.labels is None else np.array(self.values, dtype=np.float64)
        return Block(self.ids, first, second, labels, self.incomplete, problems, rows, self.withheld)


def _characters(numbered: tuple[int, Row | Problem]) -> int:
    row = numbered[1]
    return sum(map(len, row.values.values())) if isinstance(row, Row) else 0


def _require_columns(path: Path, rows: Sequence[Row], columns: Columns, labels: Labels | None) -> None:
    """Check that one of the first rows has all columns: objects of JSON lines may lack some.

    Raises:
        UserError: none has.
    """
    wanted = [*columns.text_columns, *([columns.id] if columns.id else [])]
    told = None
    for row in rows:
        lacking = labels is not None and not has_labels(row, columns, labels.several)
        missing = missing_column(row, [*wanted, *(columns.label_columns if lacking else ())])
        if missing is None:
            return
        told = told or missing
    raise UserError(f"{path}: {told}")
