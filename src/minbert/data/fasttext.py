"""The format of fastText: a line is ``__label__sports __label__news Some text`` with one label or several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from minbert.data.lines import Line
from minbert.data.row import Problem, Row

PREFIX = "__label__"
_BETWEEN = "|"


def read_fasttext(lines: Iterator[Line], path: Path) -> Iterator[Row | Problem]:
    """Yield the rows, with a ``text`` and a ``label``: several labels have a bar between them. Blank lines are none."""
    for line in lines:
        if line.flaw:
            yield Problem(path, line.number, *line.flaw)
            continue
        labels, rest = [], line.content.strip()
        while rest.startswith(PREFIX):
            label, _, rest = rest.removeprefix(PREFIX).partition(" ")
            labels.append(label.strip())
            rest = rest.lstrip()
        if labels or rest:
            yield Row(line.number, {"label": _BETWEEN.join(dict.fromkeys(labels)), "text": rest})
