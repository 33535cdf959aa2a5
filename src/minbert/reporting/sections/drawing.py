"""How figures become blocks of a section."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from minbert.reporting.figure import Figure
from minbert.reporting.material import System
from minbert.reporting.page import Block, Drawn, Heading


def slug(text: str) -> str:
    """Return a text as letters, digits, '.', '_' and '-': fit for a file's name and for an id of the page."""
    return re.sub(r"[^\w.-]+", "-", text, flags=re.ASCII).strip("-.") or "x"


def figures_by_system(
    systems: Sequence[System], draw: Callable[[System], Sequence[Figure | None]]
) -> tuple[list[Block], list[str]]:
    """Return the figures of each system, below its name where there are several, and the systems that have none.

    Names of figures begin with the system's where there are several, so that each is unique in the report.
    """
    blocks: list[Block] = []
    without = []
    names = unique_slugs([system.name for system in systems])
    for system in systems:
        figures = [figure for figure in draw(system) if figure is not None]
        if not figures:
            without.append(system.name)
            continue
        if len(systems) > 1:
            blocks.append(Heading(system.name))
            figures = [
                replace(figure, name=f"{names[system.name]}-{figure.name}", title=f"{system.name}, {figure.title}")
                for figure in figures
            ]
        blocks += map(Drawn, figures)
    return blocks, without


def unique_slugs(names: Sequence[str]) -> Mapping[str, str]:
    """Return a slug for each name, numbered where two names would have the same."""
    found: dict[str, str] = {}
    for name in names:
        word, number = slug(name), 2
        while word in found.values():
            word, number = f"{slug(name)}-{number}", number + 1
        found[name] = word
    return found
