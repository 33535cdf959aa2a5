"""Labels of a file read as those of a task that it was not made for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from minbert.data.examined import Labels
from minbert.data.task_files import Columns
from minbert.tasks.kinds import Kind, Label
from minbert.tasks.numbers import number
from minbert.tasks.written_lists import read_list


class Relabelling:
    """Reads the labels of a file that was made for another task."""

    def __init__(self, mapping: Mapping[str, str | None], kind: Kind) -> None:
        """Translate by ``mapping``: from a label as the file writes it to one of ``kind``, or to None.

        Labels that are numbers are equal as numbers: ``1`` also stands for ``1.0``. Where all lead to None, every other
        label is the task's own.

        Raises:
            ValueError: the mapping leads to what is no label of the task, or gives one label of the file twice.
        """
        self.kind = kind
        self.several = kind.several
        self.only_leaves_out = all(meant is None for meant in mapping.values())
        self.known = ", ".join(mapping)
        self.values: dict[str | Decimal, Label | None] = {}
        self.names: dict[str | Decimal, str | None] = {}
        for text, meant in mapping.items():
            if _normal(text) in self.values:
                raise ValueError(f"label '{text}' is given twice")
            self.names[_normal(text)] = meant
            single = json.dumps([meant]) if kind.several else meant
            self.values[_normal(text)] = None if meant is None or single is None else kind.parse(single)

    def parse(self, text: str) -> Label | None:
        """Return the task's label for the file's label ``text``, or None for a row to leave out.

        Of a set each class is translated; those that lead to None are left out of it, and the row stays.

        Raises:
            ValueError: the mapping does not have it, or it is no set where one is wanted.
        """
        if self.several:
            return self._set(text)
        if self.only_leaves_out and _normal(text) not in self.values:
            return self.kind.parse(text)
        return self.values[self._known(text)]

    def _set(self, text: str) -> Label:
        given = read_list(text)
        if given is None or not all(isinstance(name, str) for name in given):
            raise ValueError(f"label '{text}' is no list of classes")
        names = [self._name(name) for name in given]
        return self.kind.parse(json.dumps(list(dict.fromkeys(name for name in names if name is not None))))

    def _name(self, given: str) -> str | None:
        if self.only_leaves_out and _normal(given) not in self.values:
            return given
        return self.names[self._known(given)]

    def _known(self, text: str) -> str | Decimal:
        if _normal(text) not in self.values:
            raise ValueError(f"label '{text}' is none of those that 'labels' translates: {self.known}")
        return _normal(text)


def labels_of(file: Columns, kind: Kind) -> Labels:
    """Return how the labels of a file are read as those of a task of this kind.

    Raises:
        ValueError: see ``Relabelling``.
    """
    return kind if file.labels is None else Relabelling(file.labels, kind)


def _normal(text: str) -> str | Decimal:
    """Return one value for all ways to write a number, and any other text without outer white space."""
    value = number(text.strip())
    return text.strip() if value is None else value
