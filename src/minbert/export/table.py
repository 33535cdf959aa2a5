"""The table of ``docs/export.md``: what each format carries of each recipe, made from what the formats themselves say.

``python -m minbert.export.table docs/export.md`` writes it anew.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import ValidationError

from minbert.display.columns import Column, markdown_table
from minbert.encoder.architectures import Architecture
from minbert.encoder.pooling import Pooling
from minbert.export.carrying import Carried, Exported
from minbert.export.formats import Format
from minbert.files import write_text
from minbert.multitask.adapters import Adapters
from minbert.multitask.shared_layers import SharedLayer
from minbert.tasks.heads import Head, Pair
from minbert.tasks.kinds import KINDS
from minbert.tasks.settings import TaskSettings

BEGIN, END = "<!-- what formats carry: written by `make reference` -->", "<!-- end of what formats carry -->"
"""The lines of a page between which the table stands."""

AXES = ("pair", "kind", "head", "pooling", "encoder", "shared by tasks")
"""What of a recipe decides, in the order of the table's columns."""
_NEEDED: dict[str, dict[str, Any]] = {
    "classification": {"classes": 3},
    "regression": {"range": [0, 5]},
    "ordinal": {"classes": 3},
    "multilabel": {"classes": 3},
}
_SHARING: dict[str, tuple[Any, Any]] = {
    "the encoder": ("none", "none"),
    "`lora`": ("lora", "none"),
    "`lora` a task": ({"name": "lora", "per_task": True}, "none"),
    "`pals`": ("pals", "none"),
    "`bilstm`": ("none", "bilstm"),
}
Choice = tuple[str, ...]
"""A value of each axis."""


@functools.cache
def exportable() -> dict[Choice, Exported]:
    """Return a task of every combination of choices that a recipe may make."""
    pairs: tuple[Pair | None, ...] = (None, *get_args(Pair))
    shared = {
        name: (Adapters.model_validate(adapters), SharedLayer.model_validate(layer))
        for name, (adapters, layer) in _SHARING.items()
    }
    found: dict[Choice, Exported] = {}
    for pair, kind, head, pooling in product(pairs, KINDS, sorted(Head.members), get_args(Pooling)):
        settings = {"kind": kind, "pair": pair, "head": head, "pooling": pooling, **_NEEDED.get(kind, {})}
        try:
            task = TaskSettings.model_validate(settings)
        except ValidationError:
            continue
        choice = ("one text" if pair is None else f"`{pair}`", f"`{kind}`", f"`{head}`", f"`{pooling}`")
        for (name, family), (sharing, (adapters, layer)) in product(
            sorted(Architecture.members.items()), shared.items()
        ):
            if pooling != "pooler" or "pooler" in family.modules or layer.name != "none":
                found[*choice, f"`{name}`", sharing] = Exported(task, family, adapters, layer)
    return found


@dataclass(frozen=True)
class Row:
    """Choices in all combinations, of which every format carries as much."""

    choices: tuple[tuple[str, ...], ...]
    """Of each axis."""
    carried: tuple[Carried, ...]
    """By each format."""


def rows() -> list[Row]:
    """Return few rows in which every combination that a recipe may make is found, and none with another verdict.

    A row begins with the first combination that no row before has, and takes in values, axis by axis, as long as no
    combination with another verdict comes in. Those that no recipe can make do not count.
    """
    values = _values()
    verdicts = {choice: _verdict(exported) for choice, exported in exportable().items()}
    kinds = list(dict.fromkeys(verdicts.values()))
    known = np.full([len(axis) for axis in values], -1)
    for choice, verdict in verdicts.items():
        known[tuple(axis.index(value) for axis, value in zip(values, choice, strict=True))] = kinds.index(verdict)
    left, found = known >= 0, []
    while left.any():
        first = np.argwhere(left)[0]
        chosen, verdict = [[int(place)] for place in first], known[tuple(first)]
        for axis in reversed(range(len(AXES))):
            for place in range(len(values[axis])):
                more = known[np.ix_(*chosen[:axis], [place], *chosen[axis + 1 :])]
                if np.isin(more, (-1, verdict)).all():
                    chosen[axis] = sorted({*chosen[axis], place})
        for axis in range(len(AXES)):  # what no recipe of the row can have is not named
            can = (known[np.ix_(*chosen)] >= 0).any(tuple(other for other in range(len(AXES)) if other != axis))
            chosen[axis] = [place for place, has in zip(chosen[axis], can, strict=True) if has]
        left[np.ix_(*chosen)] = False
        named = tuple(tuple(axis[place] for place in places) for axis, places in zip(values, chosen, strict=True))
        found.append(Row(named, kinds[verdict]))
    return found


def _verdict(exported: Exported) -> tuple[Carried, ...]:
    return tuple(written.carries(exported) for written in Format.members.values())


def _values() -> list[list[str]]:
    """Return all values of each axis."""
    return [list(dict.fromkeys(choice[axis] for choice in exportable())) for axis in range(len(AXES))]


def with_table(page: str) -> str:
    """Return a page in Markdown with the table as it is now between ``BEGIN`` and ``END``."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def table() -> str:
    """Return the table in Markdown, and below it why something is not exact."""
    whys: dict[str, int] = {}

    def told(carried: Carried) -> str:
        if not carried.why:
            return carried.extent
        return f"{carried.extent} ({whys.setdefault(carried.why, len(whys) + 1)})"

    columns = [
        Column[Row](name, lambda row, axis=axis, every=every: _chosen(row.choices[axis], every))
        for axis, (name, every) in enumerate(zip(AXES, _values(), strict=True))
    ]
    columns += [
        Column[Row](name, lambda row, place=place: told(row.carried[place]))
        for place, name in enumerate(Format.members)
    ]
    lines = [markdown_table(columns, rows())]
    lines += ["\n".join(f"{number}. {why}." for why, number in whys.items())] if whys else []
    return "\n\n".join(lines)


def _chosen(values: Sequence[str], every: Sequence[str]) -> str:
    """Return the values of an axis, or those that it does not have where these are fewer."""
    others = [value for value in every if value not in values]
    if not others:
        return "any"
    return ", ".join(values) if len(values) <= len(others) else f"not {', '.join(others)}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    write_text(path, with_table(path.read_text(encoding="utf-8")))
