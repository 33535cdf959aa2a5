"""The labels of a task as its files write them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from minbert.schema_inference.class_list import ClassList
from minbert.schema_inference.tables import Column, Table
from minbert.tasks.numbers import number

MISSING = frozenset(["na", "n/a", "nan", "null", "?", "#n/a", "unlabeled", "unlabelled"])
"""What files write where they have no label."""
_DASH, _MOST_DASHES = "-", 0.05
"""A label is missing where so few rows have a dash: of SNLI's, those whose annotators did not agree."""
_PLAIN = re.compile(r"[-+]?(0|[1-9]\d*)?(\.\d*)?", re.ASCII)


@dataclass(frozen=True)
class Labels:
    """What stands in the column of the labels; in several of them where each is a class's."""

    headers: Sequence[str]
    train: Counter[str]
    """How often each value that is not empty occurs in the train file."""
    all: Counter[str]
    """The same of all files that have labels."""
    empty: int
    """How many rows of train and dev have none."""
    nulls: int
    """How many of them hold null or lack the column, where the format tells that from an empty text."""
    lists: bool
    """Whether the file's own type of them is a list."""
    listed: Sequence[str] = ()
    """The classes in order, where a file beside the others lists them."""
    code_names: Mapping[str, str] = field(default_factory=dict)
    """The name of each number, where a file says what the numbers mean."""
    code_source: str = ""
    """Which file says so, or lists the classes."""

    @cached_property
    def known(self) -> dict[str, str]:
        """Every value but those that stand for a missing label, by how it is shown: ``1`` for ``1`` and ``1.0``."""
        missing = {*MISSING, _DASH} if self._dash_is_missing else MISSING
        return {value: canonical(value) for value in self.all if value.lower() not in missing}

    @property
    def _dash_is_missing(self) -> bool:
        """Whether a dash is no class: no class is a single sign, as ``+`` is, and few rows have it."""
        signs = any(len(value) == 1 for value in self.all.keys() - {_DASH})
        return not signs and self.all[_DASH] <= _MOST_DASHES * self.all.total()

    @cached_property
    def missing(self) -> list[str]:
        """The values that stand for a missing label."""
        return [value for value in self.all if value not in self.known]

    @cached_property
    def names(self) -> Counter[str]:
        """How often each value occurs in the train file, by how it is shown; 0 where only other files have it."""
        counts: Counter[str] = Counter()
        for value, name in self.known.items():
            counts[name] += self.train[value]
        return counts

    @cached_property
    def numbers(self) -> list[Decimal] | None:
        """All different values in order where every one is a number, else None."""
        values = [number(name) for name in self.names]
        return None if None in values or not values else sorted(value for value in values if value is not None)


def is_plain(value: str) -> bool:
    """Return whether a number is written without leading zeros and without an exponent, as no code needs to be."""
    return _PLAIN.fullmatch(value) is not None


def gather_labels(
    tables: Mapping[str, Table], parts: Sequence[Table], columns: Sequence[Column], told: ClassList
) -> Labels:
    """Return the labels in these columns of the files of the splits, and of further parts of the train file.

    ``told`` is what a file tells of the classes.
    """
    train: Counter[str] = Counter()
    every: Counter[str] = Counter()
    empty = nulls = 0
    for split, table in [*tables.items(), *(("train", part) for part in parts)]:
        for column in columns:
            counts = table.columns[column.name].counts if column.name in table.columns else Counter[str]()
            if split == "test" and counts.keys() <= {"-1", "-1.0"}:
                continue
            every += counts
            train += counts if split == "train" else Counter()
        if split != "test":
            cells = [table.columns[c.name].values if c.name in table.columns else [""] * table.rows for c in columns]
            empty += sum(not all(row) for row in zip(*cells, strict=True))
            nulls += sum(table.columns[c.name].nulls if c.name in table.columns else table.rows for c in columns)
    headers = [column.name for column in columns]
    return Labels(headers, train, every, empty, nulls, columns[0].lists, told.names, told.codes, told.file)


def canonical(value: str) -> str:
    """Return a number as short as it can be written, and any other value as it is: ``01`` and ``1e5`` are names."""
    known = number(value)
    if known is None or not is_plain(value) or abs(known) > 10**15:
        return value
    return str(int(known)) if known == int(known) else re.sub(r"0+$", "", f"{known:f}")
