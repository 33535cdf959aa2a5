"""Which differences between systems are shown, and which may be chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from minbert.comparing.compare import Comparison, ShownDifference, compare
from minbert.comparing.tables import columns, remarks, sentences
from minbert.display.columns import cells
from minbert.errors import UserError
from minbert.reporting.material import Material
from minbert.reporting.page import Block, Paragraph, Section, Table


def comparison(material: Material) -> Section:
    """Return the section: what ``minbert compare`` finds among the finished runs."""
    name, title = "comparison", "Which differences are shown"
    runs = [
        run
        for system in material.systems
        for run in system.runs
        if run.finished and run.origin != "ensemble" and all(task in run.answers for task in run.tasks)
    ]
    try:
        found = compare([run.folder for run in runs]) if len(runs) > 1 else None
    except UserError as error:
        return Section(name, title, [], [f"The systems cannot be compared. {error}"])
    if found is None or len(found.systems) < 2:
        return Section(name, title, [], ["There are no two systems that are finished and keep their answers to dev."])
    found = _renamed(found, material)
    shown = columns(found)
    # Intervals stand below their numbers: side by side the columns are too wide for a page.
    rows = [[cell.replace(" (", "\n(", 1) for cell in cells(shown, score)] for score in found.scores]
    words = frozenset(place for place, column in enumerate(shown) if not column.numeric)
    blocks: list[Block] = [Paragraph(f"{system}: {'; '.join(parts)}.") for system, parts in sentences(found).items()]
    caption = f"Paired comparison with {found.baseline}"
    blocks.append(Table(caption, [column.heading for column in shown], rows, " ".join(remarks(found)), words))
    return Section(name, title, blocks)


def _renamed(found: Comparison, material: Material) -> Comparison:
    """Return the comparison with the systems' names as they are elsewhere in the report."""
    ours = {run.folder.resolve(): system.name for system in material.systems for run in system.runs}
    names = {system.name: ours[Path(system.folders[0])] for system in found.systems}

    def of(difference: ShownDifference | None) -> ShownDifference | None:
        return None if difference is None else replace(difference, to=names[difference.to])

    return replace(
        found,
        baseline=names[found.baseline],
        systems=[replace(system, name=names[system.name]) for system in found.systems],
        scores=[
            replace(
                score,
                system=names[score.system],
                to_baseline=of(score.to_baseline),
                to_single_task=of(score.to_single_task),
            )
            for score in found.scores
        ],
        choices=[
            replace(
                choice,
                system=names[choice.system],
                picked={names[name]: share for name, share in choice.picked.items()},
            )
            for choice in found.choices
        ],
    )
