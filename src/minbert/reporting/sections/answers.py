"""What the kept models answer on dev: against the truth, by class, by confidence, by text."""

from __future__ import annotations

from collections.abc import Sequence

from minbert.reporting.figure import Figure
from minbert.reporting.figures.agreement import predicted_against_true
from minbert.reporting.figures.classes import OfClass, class_scores, of_classes
from minbert.reporting.figures.confusion import confusion
from minbert.reporting.figures.reliability import reliability_diagram
from minbert.reporting.figures.text_errors import errors_by_text
from minbert.reporting.material import System
from minbert.reporting.page import Section, Table
from minbert.reporting.sections.drawing import figures_by_system
from minbert.reporting.texts import NoTexts, answered_texts


def answers(detailed: Sequence[System]) -> Section:
    """Return the section: scatter plots, confusion matrices and reliability, of each system's first finished run."""

    def draw(system: System) -> Sequence[Figure | None]:
        found: list[Figure | None] = []
        for task, given in system.first.answers.items():
            found += [predicted_against_true(task, given), confusion(task, given), class_scores(task, given)]
            found.append(reliability_diagram(task, given))
        return found

    blocks, without = figures_by_system(detailed, draw)
    for system in detailed:
        blocks += [
            _class_table(f"{system.name}, {task}" if len(detailed) > 1 else task, found)
            for task, given in system.first.answers.items()
            if (found := of_classes(given))
        ]
    missing = [f"No answers to dev are kept: {', '.join(without)}."] if without else []
    return Section("answers", "Answers on dev", blocks, missing)


def _class_table(name: str, classes: Sequence[OfClass]) -> Table:
    header = ["class", "rows", "predicted", "right", "precision", "recall", "F1", "average precision"]
    rows = [
        [
            of.name,
            *(f"{count:,}" for count in (of.rows, of.predicted, of.right)),
            *(f"{share:.3f}" for share in (of.precision, of.recall, of.f1)),
            "" if of.average_precision is None else f"{of.average_precision:.3f}",
        ]
        for of in classes
    ]
    return Table(f"{name}: each class", header, rows, "A row may have any number of classes.")


def errors_over_texts(detailed: Sequence[System]) -> Section:
    """Return the section: errors by length and by overlap of a pair's words, of each system's first finished run."""
    missing = []

    def draw(system: System) -> Sequence[Figure | None]:
        found = []
        for task, given in system.first.answers.items():
            try:
                found.append(errors_by_text(task, answered_texts(system.first, task), given))
            except NoTexts as reason:
                missing.append(f"{system.name}, {task}: the texts cannot be read again: {reason}.")
        return found

    blocks, _ = figures_by_system(detailed, draw)
    if without := [system.name for system in detailed if not system.first.answers]:
        missing.append(f"No answers to dev are kept: {', '.join(without)}.")
    return Section("errors-by-text", "Errors by length and overlap", blocks, missing)
