"""What the model's verbs take: texts, or pairs of texts, as Python, numpy and pandas have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from minbert.errors import UserError, did_you_mean

Text = str | tuple[str, str]
"""What a row is made of: a text, or the two texts of a pair."""

TEXTS = 'a list of texts: ["one text", "another"]'
PAIRS = 'a list of pairs: [("first text", "second text"), ...]'


def single_texts(texts: Iterable[Any]) -> list[str]:
    """Return texts that stand for themselves.

    Raises:
        UserError: they are not a list, an array, a column or the like, or one of them is no text.
    """
    rows = _rows(texts, TEXTS)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, str):
            raise UserError(f"input {number} is {_what(row)}, not a text. Give {TEXTS}.")
    return rows


def task_texts(task: str, texts: Iterable[Any], *, pairs: bool) -> list[Text]:
    """Return the texts or the pairs of texts that a task takes; a pair may be a tuple, a list or an array.

    Raises:
        UserError: as for ``single_texts``; or the task takes the other form.
    """
    wanted, form = ("pairs of texts", PAIRS) if pairs else ("single texts", TEXTS)
    columns = isinstance(texts, tuple) and len(texts) == 2 and all(_is_column(part) for part in texts)
    if pairs and columns:
        raise UserError(f"task '{task}' takes {wanted}, not two lists of texts. Give {PAIRS}, as zip(a, b) makes it.")
    rows = _rows(texts, form)
    if not rows:
        raise UserError(f"task '{task}': there are no texts to predict.")
    checked: list[Text] = []
    for number, row in enumerate(rows, start=1):
        parts = (row,) if isinstance(row, str) else _parts(row)
        if len(parts) != 1 + pairs or not all(isinstance(part, str) for part in parts):
            raise UserError(f"task '{task}' takes {wanted}; input {number} is {_what(row)}. Give {form}.")
        checked.append((parts[0], parts[1]) if pairs else parts[0])
    return checked


def check_choice(what: str, value: Any, known: tuple[str, ...]) -> None:
    """Check that ``value`` is one of the words that ``what`` may be.

    Raises:
        UserError: it is none.
    """
    if value not in known:
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        raise UserError(f"{what}: {value!r} is none of {', '.join(known)}{hint}.")


def _rows(texts: Any, form: str) -> list[Any]:
    """Return what a list, tuple, array, column or generator holds."""
    if isinstance(texts, str | bytes | Mapping | Set) or _is_no_column(texts) or not isinstance(texts, Iterable):
        raise UserError(f"{_what(texts)} was given. Give {form}.")
    return list(texts)


def _is_column(value: Any) -> bool:
    return isinstance(value, list) or getattr(value, "ndim", 0) == 1


def _is_no_column(value: Any) -> bool:
    """Return whether this is a table, or an array without rows."""
    return hasattr(value, "columns") or getattr(value, "ndim", 1) == 0


def _parts(row: Any) -> tuple[Any, ...]:
    """Return what stands in the place of a pair; nothing where that is no tuple, list or array."""
    is_array = getattr(row, "ndim", 0) == 1
    return tuple(row) if isinstance(row, tuple | list) or is_array else ()


def _what(value: Any) -> str:
    """Return what a value is, in words."""
    if isinstance(value, str):
        return "one text"
    parts = _parts(value)
    if len(parts) == 2 and all(isinstance(part, str) for part in parts):
        return "a pair"
    if parts and all(isinstance(part, str) for part in parts):
        return f"a list of {len(parts)}"
    if parts:
        return f"a list with {next(_what(part) for part in parts if not isinstance(part, str))}"
    if value is None or isinstance(value, bool | int | float):
        return f"the value {value}"
    return f"a value of type {type(value).__name__}"
