"""Rows that have several labels at once: lists, or names with a separator between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from minbert.errors import UserError, shown
from minbert.schema_inference.found import Ask, Findings, Question
from minbert.schema_inference.labels import Labels
from minbert.tasks.numbers import number
from minbert.tasks.written_lists import read_list

_SEPARATORS = ("|", ";", ",", "/", "+", " ")
"""The likelier first. A space separates numbers alone: names may hold it."""
_WITHIN_NAMES = ("/", "+")
"""Those that a name may as well hold."""
_MOST = 0.7
"""The share of the names in sets that stand in other sets, too."""
_MOST_ODD = 0.1
"""Of the rows with a separator, so many may be no set."""
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
        UserError: they are lists, but written in a way that nothing here reads.
    """
    if not labels.all or not (labels.lists or all(value[0] + value[-1] == "[]" for value in labels.known)):
        return False
    counts: Counter[str] = Counter()
    odd: Counter[str] = Counter()
    for value, times in labels.all.items():
        names = _of_list(value)
        if names is None:
            raise UserError(
                f"column '{shown(labels.headers[0])}' seems to hold lists, but {shown(value)} is none; "
                'write ["a", "b"], or a|b'
            )
        named = dict.fromkeys(name for name in names if name)
        counts.update(dict.fromkeys(named, times))
        odd.update({value: times} if len(named) < len(names) else {})
    if len(counts) < 2:
        return False
    findings.set("kind", "multilabel", "labels are lists")
    _classes(counts, labels, findings)
    _tell_odd(list(odd), odd.total(), findings)
    return True


def read_separated(labels: Labels, findings: Findings, ask: Ask) -> bool:
    """Set ``kind: multilabel`` where labels are names with a separator; return whether it is so.

    Raises:
        UserError: the separator may be a decimal comma.
    """
    if any("," in value for value in labels.known) and all(map(_DECIMAL.fullmatch, labels.known)):
        raise UserError(
            f"column '{shown(labels.headers[0])}' seems to have decimal commas; write numbers with points (3.5). "
            "Where they are several codes, put another separator between them"
        )
    ways = [_Parts.of(separator, labels) for separator in _SEPARATORS]
    ways = [parts for parts in ways if parts.separator != " " or all(number(name) is not None for name in parts.where)]
    taken = next((parts for parts in ways if parts.recombine), None)
    if taken is None:
        taken = next((parts for parts in ways if parts.may_recombine), None)
        if taken is None or not _are_sets(taken, labels, findings, ask):
            return False
    _separated(taken, labels, findings)
    return True


@dataclass(frozen=True)
class _Parts:
    """The values of the labels, cut at a separator."""

    separator: str
    names: Mapping[str, Sequence[str]]
    """What stands between the separators, by the value."""
    lacking: Sequence[str]
    """The values in which nothing stands between two separators."""
    twice: Sequence[str]
    """The others in which a name stands twice."""
    odd_rows: int
    """How many rows have one of these."""
    split_rows: int
    """How many rows have a separator."""
    rows: int

    @classmethod
    def of(cls, separator: str, labels: Labels) -> Self:
        """Cut the values of labels."""
        cut = {value: value.removesuffix(separator).split(separator) for value in labels.known}
        names = {value: [part.strip() for part in parts] for value, parts in cut.items()}
        lacking = [value for value, parts in names.items() if "" in parts]
        twice = [value for value, parts in names.items() if "" not in parts and len(set(parts)) < len(parts)]
        names = {value: list(filter(None, dict.fromkeys(parts))) for value, parts in names.items()}
        split_rows = sum(labels.all[value] for value, parts in cut.items() if len(parts) > 1)
        odd_rows = sum(labels.all[value] for value in (*lacking, *twice))
        return cls(separator, names, lacking, twice, odd_rows, split_rows, labels.all.total())

    @cached_property
    def where(self) -> Counter[str]:
        """In how many values a name stands."""
        return Counter(name for names in self.names.values() for name in names)

    @cached_property
    def elsewhere(self) -> float:
        """Of the names that have a separator beside them, the share that stand in another value, too."""
        of_split = {name for names in self.names.values() if len(names) > 1 for name in names}
        return sum(self.where[name] > 1 for name in of_split) / max(len(of_split), 1)

    @property
    def recombine(self) -> bool:
        """Whether values are sets of the same few names, and no more than a few rows are none."""
        several = sum(len(names) > 1 for names in self.names.values()) > 1
        return several and self.elsewhere >= _MOST and len(self.where) < max(len(self.names), 3) and self._are_few

    @property
    def may_recombine(self) -> bool:
        """Whether some names stand elsewhere, too, as in the sets of few rows."""
        return self.elsewhere > 0 and 2 <= len(self.where) <= len(self.names) and self._are_few

    @property
    def _are_few(self) -> bool:
        return self.odd_rows <= _MOST_ODD * self.split_rows and len(self.where) <= 0.5 * self.rows


def _are_sets(parts: _Parts, labels: Labels, findings: Findings, ask: Ask) -> bool:
    """Return whether labels of which few have a separator are taken for sets of names."""
    example = next(value for value, names in parts.names.items() if len(names) > 1)
    choices = ["several names (kind: multilabel)", "one name (kind: classification)"]
    sets_first = parts.separator not in _WITHIN_NAMES
    header, text = shown(labels.headers[0]), f"'{shown(example)}'"
    question = Question(f"'{header}' holds {text}. What is it?", choices if sets_first else choices[::-1])
    return (findings.decide(question, ask) == 0) == sets_first


def _separated(parts: _Parts, labels: Labels, findings: Findings) -> None:
    counts: Counter[str] = Counter()
    for value, names in parts.names.items():
        counts.update(dict.fromkeys(names, labels.all[value]))
    of_no_class = labels.empty - labels.nulls
    none = f"; {of_no_class:,} empty ones are rows of no class" if of_no_class else ""
    findings.set("kind", "multilabel", f"several names with '{parts.separator}' between them{none}")
    _classes(counts, labels, findings)
    findings.set("labels_separator", parts.separator)
    unlabelled = (
        [f"{_rows_hold(labels.nulls)} null; write an empty text where no class is meant"] if labels.nulls else []
    )
    if parts.lacking:
        count = sum(labels.all[value] for value in parts.lacking)
        unlabelled.append(f"{_rows_hold(count)} '{shown(parts.lacking[0])}', where a name is missing")
    if unlabelled:
        findings.set("skip_unlabelled", True, "; ".join(unlabelled))
    _tell_odd(parts.twice, sum(labels.all[value] for value in parts.twice), findings)
    if labels.missing:
        count = sum(labels.all[value] for value in labels.missing)
        findings.unsure.append(
            f"{_rows_hold(count)} '{shown(labels.missing[0])}', which seems to mean no label, and training refuses "
            "that: remove these rows from the file"
        )


def _tell_odd(odd: Sequence[str], count: int, findings: Findings) -> None:
    if odd:
        findings.unsure.append(
            f"{_rows_hold(count)} no set of names ('{shown(odd[0])}'), and training refuses that: mend it in the file"
        )


def _rows_hold(count: int) -> str:
    return "1 row holds" if count == 1 else f"{count:,} rows hold"


def _classes(counts: Mapping[str, int], labels: Labels, findings: Findings) -> None:
    in_order = list(labels.listed) if counts.keys() <= set(labels.listed) else sorted(counts)
    findings.set("classes", in_order)


def _of_list(value: str) -> list[str] | None:
    """Return the names in a list (see ``read_list``), an empty one for null; None where it is none."""
    names = read_list(value)
    if names is None or any(isinstance(name, list | dict) for name in names):
        return None
    return [
        "" if name is None else (str(name).lower() if isinstance(name, bool) else str(name).strip()) for name in names
    ]
