"""Rows that have several labels at once: lists, or names with a separator between them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping

from minbert.errors import UserError, shown
from minbert.schema_inference.found import Findings
from minbert.schema_inference.labels import Labels
from minbert.tasks.numbers import number

_SEPARATORS = ("|", ";", ",", "/", "+", " ")
"""The likelier first. A space separates numbers alone: names may hold it."""
_DECIMAL = re.compile(r"[-+]?\d+(,\d+)?")


def read_several_columns(labels: Labels, findings: Findings) -> bool:
    """Set ``kind: multilabel`` where each class has a column of its own; return whether it is so."""
    if len(labels.headers) < 2:
        return False
    findings.set("kind", "multilabel", "each column is a class that a row may have")
    return True


def read_lists(labels: Labels, findings: Findings) -> bool:
    """Set ``kind: multilabel`` where labels are lists; return whether it is so.

    Raises:
        UserError: they are lists, but not as JSON writes them.
    """
    if not labels.all or not (labels.lists or all(value[0] + value[-1] == "[]" for value in labels.known)):
        return False
    counts: Counter[str] = Counter()
    for value, times in labels.all.items():
        names = _of_list(value)
        if names is None:
            raise UserError(
                f"column '{shown(labels.headers[0])}' seems to hold lists, but {shown(value)} is no JSON; "
                'write ["a", "b"], or a|b'
            )
        counts.update(dict.fromkeys(names, times))
    if len(counts) < 2:
        return False
    findings.set("kind", "multilabel", "labels are lists")
    _classes(counts, labels, findings)
    return True


def read_separated(labels: Labels, findings: Findings) -> bool:
    """Set ``kind: multilabel`` where labels are names with a separator; return whether it is so.

    Raises:
        UserError: the separator may be a decimal comma.
    """
    if any("," in value for value in labels.known) and all(map(_DECIMAL.fullmatch, labels.known)):
        raise UserError(
            f"column '{shown(labels.headers[0])}' seems to have decimal commas; write numbers with points (3.5). "
            "Where they are several codes, put another separator between them"
        )
    for separator in _SEPARATORS:
        parts = {
            value: [part.strip() for part in value.removesuffix(separator).split(separator)] for value in labels.known
        }
        names_hold_it = separator == " " and any(number(name) is None for names in parts.values() for name in names)
        if not names_hold_it and _recombine(parts, labels):
            counts: Counter[str] = Counter()
            for value, names in parts.items():
                counts.update(dict.fromkeys(names, labels.all[value]))
            none = f"; {labels.empty:,} empty ones are rows of no class" if labels.empty else ""
            findings.set("kind", "multilabel", f"several names with '{separator}' between them{none}")
            _classes(counts, labels, findings)
            findings.set("labels_separator", separator)
            return True
    return False


def _recombine(parts: Mapping[str, list[str]], labels: Labels) -> bool:
    """Return whether values are sets of the same few names: most parts of those that have a separator stand elsewhere,
    too, and no value has an empty part or one part twice."""
    split = {value: names for value, names in parts.items() if len(names) > 1}
    if len(split) < 2 or any(not name for names in parts.values() for name in names):
        return False
    if any(len(set(names)) < len(names) for names in split.values()):
        return False
    where = Counter(name for names in parts.values() for name in names)
    of_split = {name for names in split.values() for name in names}
    elsewhere = sum(where[name] > 1 for name in of_split)
    return (
        elsewhere >= 0.7 * len(of_split) and len(where) < max(len(parts), 3) and len(where) <= 0.5 * labels.all.total()
    )


def _classes(counts: Mapping[str, int], labels: Labels, findings: Findings) -> None:
    in_order = list(labels.listed) if counts.keys() <= set(labels.listed) else sorted(counts)
    findings.set("classes", in_order)


def _of_list(value: str) -> list[str] | None:
    """Return the names in a list that is written as JSON; None where it is none."""
    try:
        names = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(names, list) or any(isinstance(name, list | dict) for name in names):
        return None
    return [str(name).strip() for name in names]
