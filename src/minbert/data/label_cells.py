"""A row's label as one text, however the file's columns hold it."""

from __future__ import annotations

import json

from minbert.data.row import Row
from minbert.data.task_files import Columns
from minbert.tasks.numbers import number

_TRUTH_VALUES = {"false": 0, "true": 1}


def has_labels(row: Row, columns: Columns, several: bool) -> bool:
    """Return whether the row has all columns of labels, empty or not.

    One column may hold lists where a row may have ``several`` classes.
    """
    lists = several and isinstance(columns.label, str)
    return all(name in row.values or (lists and name in row.lists) for name in columns.label_columns)


def raw_label(row: Row, columns: Columns) -> str:
    """Return what stands in the label's column, a list as JSON; of several columns what all of them hold alike."""
    cells = {row.lists.get(name) or row.values.get(name, "").strip() for name in columns.label_columns}
    return cells.pop() if len(cells) == 1 else ", ".join(sorted(cells))


def is_unlabelled(row: Row, columns: Columns) -> bool:
    """Return whether the row has no label: nothing stands in its column, or in one of them where each is a class's.

    With a separator, an empty text is the label of no class. A null, a missing key, and a place without a name
    (``a||b``) are no label.
    """
    if columns.labels_separator is None:
        return any(not row.lists.get(name) and not row.values.get(name, "").strip() for name in columns.label_columns)
    name = columns.label_columns[0]
    return name not in row.lists and (_is_null(name, row) or not all(_between(columns.labels_separator, row, columns)))


def label_text(row: Row, columns: Columns) -> str:
    """Return the label as its kind or a translation reads it: a set of classes is a JSON list of names.

    Raises:
        ValueError: a column of several holds neither 0 nor 1, or there is no name between two separators.
    """
    if isinstance(columns.label, list):
        return _names([name for name in columns.label if _holds(name, row.values.get(name, "").strip())])
    mark = columns.labels_separator
    if mark is None or columns.label in row.lists or _is_null(columns.label, row):
        return raw_label(row, columns)
    names = _between(mark, row, columns)
    if not all(names):
        told = raw_label(row, columns)
        raise ValueError(f"label '{told}' is no list of classes: there is nothing between two '{mark}'")
    return _names(names)


def _is_null(column: str, row: Row) -> bool:
    return column not in row.values or column in row.nulls


def _between(mark: str, row: Row, columns: Columns) -> list[str]:
    """Return what stands between the separators, empty where nothing does."""
    names = [name.strip() for name in raw_label(row, columns).split(mark)]
    return names[:-1] if not names[-1] else names  # some programs end every list with the mark


def _holds(column: str, cell: str) -> bool:
    value = _TRUTH_VALUES.get(cell.lower(), number(cell))
    if value not in (0, 1):
        raise ValueError(f"column '{column}' is neither 0 nor 1: '{cell}'")
    return value == 1


def _names(names: list[str]) -> str:
    return json.dumps(names, ensure_ascii=False)
