"""New rows in files: a whole file augmented, and the table of new rows that a run keeps."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minbert.augmentation.base import Augmentation
from minbert.augmentation.rows import NewRow, RowAugmenter, Texts
from minbert.data.examples import BadDataError
from minbert.data.row import Problem, Row, missing_column
from minbert.data.row_writer import row_writer
from minbert.data.rows import read_rows
from minbert.errors import UserError, shown
from minbert.files import write_text
from minbert.tasks.kinds import Label

ID, ORIGIN, METHOD = "id", "origin", "method"


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What became of a file."""

    rows: int
    new: int
    dropped: int
    """New rows that said what another row says."""


def augment_file(
    source: Path,
    columns: Sequence[str],
    id_column: str | None,
    methods: Sequence[Augmentation],
    output: Path,
    only_new: bool,
    augmenter: RowAugmenter,
    progress: Callable[[int, int], None],
) -> FileSummary:
    """Write the rows of ``source`` and after each its new rows to ``output``, or these alone.

    All columns are kept; those named by ``columns`` are the text, or the two texts of a pair. The id is in
    ``id_column``; by default in the column ``id`` or, where there is none, in a new one that numbers the rows from 1.
    Two new columns, ``origin`` and ``method``, tell the id of the row that a new row came from, and how; of other rows
    they are empty. ``progress`` is called with what is done and what there is to do.

    Raises:
        UserError: rows cannot be used, columns are missing or in the way, or the output cannot be written; then no
            output is left behind.
    """
    rows = _read(source, columns)
    there = list(dict.fromkeys(column for row in rows for column in row.values))
    for column in (ORIGIN, METHOD):
        if column in there:
            raise UserError(
                f"{source}: has a column '{column}', where the new rows' {column} should go. Was it augmented before? "
                "Give the file that it was made from, or give the column another name."
            )
    own_ids = id_column is not None or ID in there
    id_column = id_column or ID
    ids = _ids(source, rows, id_column) if own_ids else [str(number) for number in range(1, len(rows) + 1)]
    texts: list[Texts] = [tuple(row.values[column].strip() for column in columns) for row in rows]
    total, done = len(rows) * len(methods), 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        progress(done, total)

    made = augmenter.new_rows(methods, ids, texts, advance)
    header = [*([] if own_ids else [ID]), *there, ORIGIN, METHOD]
    following = iter(made)
    new = next(following, None)
    with row_writer(output, dict.fromkeys(header, "text")) as write:
        for number, row in enumerate(rows):
            values = {id_column: ids[number], **row.values, ORIGIN: "", METHOD: ""}
            if not only_new:
                write([values.get(column, "") for column in header])
            while new is not None and new.origin == number:
                changed = {id_column: new.id, ORIGIN: ids[number], METHOD: new.method}
                changed |= dict(zip(columns, new.texts, strict=True))
                write([(values | changed).get(column, "") for column in header])
                new = next(following, None)
    return FileSummary(len(rows), len(made), len(rows) * sum(method.copies for method in methods) - len(made))


def new_rows_table(made: Sequence[NewRow], ids: Sequence[str], labels: Sequence[Label] | None) -> str:
    """Return the table of new rows that a run keeps, tab-separated: id, origin, method, text or texts, label.

    ``ids`` and ``labels`` are those of the rows they came from; texts without labels have None.
    """
    texts = ["text"] if not made or len(made[0].texts) == 1 else ["text1", "text2"]
    file = io.StringIO()
    table = csv.writer(file, delimiter="\t", lineterminator="\n")
    table.writerow([ID, ORIGIN, METHOD, *texts, *([] if labels is None else ["label"])])
    for row in made:
        label = [] if labels is None else [_written(labels[row.origin])]
        table.writerow([row.id, ids[row.origin], row.method, *row.texts, *label])
    return file.getvalue()


def keep_new_rows(folder: Path, tables: dict[str, str], resumed: bool) -> None:
    """Write the tables of new rows, or, where a run goes on, check that they are the ones it began with.

    Raises:
        UserError: they are not, or the folder cannot be written to.
    """
    for name, table in tables.items():
        path = folder / f"{name}.tsv"
        if not resumed:
            write_text(path, table)
        elif not path.is_file() or path.read_bytes() != table.encode():
            raise UserError(
                f"{path}: augmentation no longer gives the rows that this run began with (has another machine, package "
                "or WordNet come in between?). Begin anew with another --out; rows that 'minbert augment' wrote to a "
                "file do not change."
            )


def _read(source: Path, columns: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    problems: list[Problem] = []
    for row in read_rows(source):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        if not rows:
            _require(source, row, columns, "Name the text's column, or both columns of a pair, with --text.")
        rows.append(row)
        for column in columns:
            if column in row.unusable:
                problems.append(Problem(source, row.line, f"column '{shown(column)}' holds {row.unusable[column]}"))
            elif not row.values.get(column, "").strip():
                problems.append(Problem(source, row.line, f"no text in column '{shown(column)}'"))
    if problems:
        raise BadDataError(source, problems)
    if not rows:
        raise UserError(f"{source}: holds no rows.")
    return rows


def _require(source: Path, row: Row, columns: Sequence[str], advice: str) -> None:
    if missing := missing_column(row, columns):
        raise UserError(f"{source}: {missing} {advice}")


def _ids(source: Path, rows: Sequence[Row], column: str) -> list[str]:
    """Return the rows' ids, each there and its own."""
    _require(source, rows[0], [column], "Name the id's column with --id.")
    problems: list[Problem] = []
    line_of: dict[str, int] = {}
    ids = [row.values.get(column, "").strip() for row in rows]
    for row, row_id in zip(rows, ids, strict=True):
        if not row_id:
            problems.append(Problem(source, row.line, f"no id in column '{shown(column)}'"))
        elif line_of.setdefault(row_id, row.line) != row.line:
            told = f"the id '{shown(row_id)}' is already on line {line_of[row_id]}"
            problems.append(Problem(source, row.line, told))
    if problems:
        raise BadDataError(source, problems)
    return ids


def _written(label: Label) -> str:
    """Return a number, or the numbers of the classes that a row has, as a list."""
    return f"{label:.12g}" if isinstance(label, float) else str(np.flatnonzero(label).tolist())
