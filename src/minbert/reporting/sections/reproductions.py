"""The papers' tables beside ours."""

from __future__ import annotations

from collections.abc import Sequence

from minbert.reporting.material import Material
from minbert.reporting.page import Block, Heading, Paragraph, Section, Table
from minbert.reproduction.tables import conditions, failures, grids


def reproductions(material: Material) -> Section:
    """Return the section: every table of every reproduction, and what must be known to read it."""
    blocks: list[Block] = []
    for results in material.reproductions.values():
        blocks += [Heading(results["title"]), Paragraph(conditions(results))]
        if results["notes"]:
            blocks.append(Paragraph(results["notes"]))
        blocks += [Table(grid.caption, grid.header, _stacked(grid.rows), grid.note) for grid in grids(results)]
        blocks += [Paragraph(f"{label}: {failure}") for label, failure in failures(results).items()]
    return Section("reproductions", "The papers' tables beside ours", blocks)


def _stacked(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return rows with each difference below its score: side by side they are too wide for a page."""
    return [[row[0], *(cell.replace(" (", "\n(", 1) for cell in row[1:])] for row in rows]
