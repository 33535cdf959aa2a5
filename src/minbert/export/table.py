"""The table of ``docs/export.md``: what each format carries of each recipe, made from what the formats themselves say.

``python -m minbert.export.table docs/export.md`` writes it anew.
"""

from __future__ import annotations

import functools
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from minbert.display.columns import Column, escaped, markdown_table
from minbert.encoder.architectures import Architecture
from minbert.encoder.pooling import Pooling
from minbert.export.carrying import Exported, Extent
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
_WIDTH = 384
"""Of the encoder; any will do."""
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
                found[*choice, f"`{name}`", sharing] = Exported(task, family, _WIDTH, adapters, layer)
    return found


@dataclass(frozen=True)
class Row:
    """Choices in all combinations, of which a format carries as much."""

    choices: tuple[tuple[str, ...], ...]
    """Of each axis."""
    extent: Extent
    whys: tuple[str, ...]
    """All that is lost in one combination or another, and why."""


def rows(written: Format) -> list[Row]:
    """Return few rows in which every combination that a recipe may make is found, and none that is carried otherwise.

    A row begins with the first combination that no row before has, and takes in values, axis by axis, as long as no
    combination comes in of which the format carries more or less. Those that no recipe can make do not count.
    """
    values, extents = _values(), get_args(Extent)
    known = np.full([len(axis) for axis in values], -1)
    carried = {}
    for choice, exported in exportable().items():
        place = tuple(axis.index(value) for axis, value in zip(values, choice, strict=True))
        carried[place] = written.carries(exported)
        known[place] = extents.index(carried[place].extent)
    found = []
    for number, extent in enumerate(extents):
        for chosen in _covering(known, number):
            whys = {carried[place].why: None for place in product(*chosen) if place in carried}
            named = tuple(tuple(axis[place] for place in places) for axis, places in zip(values, chosen, strict=True))
            found.append(Row(named, extent, tuple(why for why in whys if why)))
    return found


def _covering(known: NDArray[np.int64], value: int) -> list[list[list[int]]]:
    """Return products of places on each axis that together hold all with this value, and none with another but -1."""
    times = np.zeros_like(known)
    found = []
    while (left := (known == value) & (times == 0)).any():
        chosen = _widened(known, np.argwhere(left)[0].tolist())
        times[np.ix_(*chosen)] += 1
        found.append(chosen)
    for chosen in list(found):
        inside = np.ix_(*chosen)
        if (times[inside][known[inside] == value] > 1).all():  # all of it is in others
            times[inside] -= 1
            found.remove(chosen)
    return found


def _widened(known: NDArray[np.int64], first: list[int]) -> list[list[int]]:
    """Return places on each axis, the ``first`` among them, all of whose combinations have its value, or -1."""
    chosen = [[place] for place in first]
    for axis in reversed(range(known.ndim)):
        for place in range(known.shape[axis]):
            more = known[np.ix_(*chosen[:axis], [place], *chosen[axis + 1 :])]
            if np.isin(more, (-1, known[tuple(first)])).all():
                chosen[axis] = sorted({*chosen[axis], place})
    for axis in range(known.ndim):  # what no recipe of the row can have is not named
        others = tuple(other for other in range(known.ndim) if other != axis)
        can = np.asarray((known[np.ix_(*chosen)] >= 0).any(others))
        chosen[axis] = np.array(chosen[axis])[can].tolist()
    return chosen


def _values() -> list[list[str]]:
    """Return all values of each axis."""
    return [list(dict.fromkeys(choice[axis] for choice in exportable())) for axis in range(len(AXES))]


def with_table(page: str) -> str:
    """Return a page in Markdown with the tables as they are now between ``BEGIN`` and ``END``."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n\n".join(table(written) for _, written in sorted(Format.members.items()))
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def table(written: Format) -> str:
    """Return what a format carries, in Markdown, and below it why something is not exact."""
    found = rows(written)
    whys = {why: number for number, why in enumerate(dict.fromkeys(why for row in found for why in row.whys), start=1)}

    def told(row: Row) -> str:
        numbers = ", ".join(map(str, sorted(whys[why] for why in row.whys)))
        return f"{row.extent} ({numbers})" if numbers else row.extent

    columns = [_column(axis, name, every) for axis, (name, every) in enumerate(zip(AXES, _values(), strict=True))]
    parts = [f"### {written.name}", markdown_table([*columns, Column("carried", told)], found)]
    if whys:
        parts.append("\n".join(_item(number, why) for why, number in whys.items()))
    return "\n\n".join(parts)


def _column(axis: int, name: str, every: Sequence[str]) -> Column[Row]:
    return Column(name, lambda row: _chosen(row.choices[axis], every))


def _item(number: int, why: str) -> str:
    """Return an item of a numbered list whose lines fit a page."""
    start = f"{number}. "
    return textwrap.fill(f"{start}{escaped(why)}.", 118, subsequent_indent=" " * len(start), break_on_hyphens=False)


def _chosen(values: Sequence[str], every: Sequence[str]) -> str:
    """Return the values of an axis, or those that it does not have where these are fewer."""
    others = [value for value in every if value not in values]
    if not others:
        return "any"
    return ", ".join(values) if len(values) <= len(others) else f"not {', '.join(others)}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    write_text(path, with_table(path.read_text(encoding="utf-8")))
