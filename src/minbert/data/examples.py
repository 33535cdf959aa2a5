"""The examples of one split of a task, read strictly: either every row is usable, or the reading tells all faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minbert.data.examined import FirstLines, Labels, examined_blocks
from minbert.data.row import Problem
from minbert.data.row_ids import RowIds
from minbert.data.task_files import Columns
from minbert.data.text_column import ColumnWriter, TextColumn
from minbert.errors import UserError
from minbert.files.long_arrays import spooled
from minbert.files.spool import Spool
from minbert.text.batches import batches
from minbert.text.hashes import TEXTS_AT_ONCE, text_hashes

TOLD_LINES = 5
"""Of rows that are left out, so many are told by their lines."""


@dataclass(frozen=True)
class Split:
    """The rows of one file, column by column; ``second`` only for pairs, ``labels`` only where there are any.

    Columns of texts that are read from files are ``TextColumn``s, which memory does not grow with.

    ``incomplete`` counts the rows that the task leaves out because they lack a label or a text. ``withheld`` says that
    the file has a column of labels without a label in it.
    """

    path: Path
    ids: Sequence[str]
    first: Sequence[str]
    second: Sequence[str] | None
    labels: NDArray[np.float64] | None
    incomplete: int = 0
    first_incomplete: list[int] = field(default_factory=list)
    """The lines of the first of them."""
    withheld: bool = False
    key: str | None = None
    """What the cache keeps just these rows under, where it does; changes with everything that they follow from."""
    contents: NDArray[np.uint64] | None = None
    """(R,) ``content_hashes``, where they are known."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def columns(self) -> list[Sequence[str]]:
        """The column of texts, or the two columns."""
        return [self.first] if self.second is None else [self.first, self.second]

    @property
    def texts(self) -> Sequence[str] | list[tuple[str, str]]:
        """The text of each row, or its two texts."""
        return self.first if self.second is None else list(zip(self.first, self.second, strict=True))

    @property
    def left_out(self) -> str | None:
        """Say which rows are left out, if any are."""
        return told_left_out(self.path, self.incomplete, self.first_incomplete)

    def take(self, rows: NDArray[np.int64]) -> Split:
        """Return the rows with these numbers."""
        return replace(
            self,
            ids=TextColumn.of(self.ids[row] for row in rows),
            first=TextColumn.of(self.first[row] for row in rows),
            second=None if (second := self.second) is None else TextColumn.of(second[row] for row in rows),
            labels=None if self.labels is None else self.labels[rows],
            key=None,
            contents=None,
        )


def told_left_out(path: Path, rows: int, lines: Sequence[int]) -> str | None:
    """Return that so many rows are left out for want of a label or a text, the first on these lines; None of none."""
    if not rows:
        return None
    told = ", ".join(map(str, lines[:TOLD_LINES])) + (", ..." if rows > TOLD_LINES else "")
    lack = "1 row lacks" if rows == 1 else f"{rows:,} rows lack"
    return f"{path}: {lack} a label or a text, and the task leaves such rows out (line {told})"


def same_content(texts: Sequence[str]) -> str:
    """Return a key that rows share when only case, white space or the order of a pair tells them apart."""
    return "\0".join(sorted(" ".join(text.casefold().split()) for text in texts))


def content_hashes(split: Split) -> NDArray[np.uint64]:
    """Return a hash (R,) of what each row says, the same where ``same_content`` is."""
    if split.contents is not None:
        return split.contents
    contents = (same_content(texts) for texts in zip(split.first, split.second or split.first, strict=True))
    return spooled((text_hashes(some)[:, 0] for some in batches(contents, TEXTS_AT_ONCE)), np.uint64)


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
            Where ``columns.skip_unlabelled``, rows without a label are left out, where ``skip_empty``, those without a
            text.

    Raises:
        BadDataError: rows cannot be used.
        UserError: the file cannot be used as a whole, lacks a column, or holds no rows, or none but those to leave out.
    """
    split, problems = examine_split(path, columns, labels, labelled)
    if problems:
        raise BadDataError(path, problems)
    if not split.ids:
        keys = [key for key in ("skip_unlabelled", "skip_empty") if getattr(columns, key) and split.incomplete]
        raise UserError(f"{path}: '{' and '.join(keys) or 'labels'}' leaves out every row.")
    return split


def examine_split(
    path: Path, columns: Columns, labels: Labels, labelled: bool | None = True
) -> tuple[Split, list[Problem]]:
    """Return the usable examples of one file, and what is wrong with each of the others (see ``read_split``).

    Raises:
        UserError: the file cannot be used as a whole, lacks a column, or holds no rows.
    """
    ids = RowIds()
    return ids.compared(lambda first_lines: _collected(path, columns, labels, labelled, first_lines))


def _collected(
    path: Path, columns: Columns, labels: Labels, labelled: bool | None, first_lines: FirstLines
) -> tuple[Split, list[Problem]]:
    ids, first, second = ColumnWriter(), ColumnWriter(), ColumnWriter()
    values = Spool(np.float64)
    labelled_here = False
    shape: tuple[int, ...] = ()  # of one label
    incomplete = 0
    first_incomplete: list[int] = []
    problems: list[Problem] = []
    withheld = True
    for block in examined_blocks(path, columns, labels, labelled, first_lines):
        ids.extend(block.ids)
        first.extend(block.first)
        second.extend(block.second or [])
        labelled_here = block.labels is not None
        if block.labels is not None and len(block.labels):  # else it has not the shape of others
            values.write(block.labels)
            shape = block.labels.shape[1:]
        incomplete += len(block.incomplete)
        first_incomplete = [*first_incomplete, *block.incomplete][:TOLD_LINES]
        problems += block.problems
        withheld &= block.withheld == block.rows
    if labelled is None and withheld:
        split, problems = examine_split(path, columns, labels, labelled=False)
        return replace(split, withheld=True), problems
    seconds = second.column() if len(columns.text_columns) == 2 else None
    found = values.array().reshape(-1, *shape) if labelled_here else None
    return Split(path, ids.column(), first.column(), seconds, found, incomplete, first_incomplete), problems
