"""The worst errors of each task, for reading."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from minbert.evaluation.answers import Answers
from minbert.reporting.material import System
from minbert.reporting.page import Block, Heading, Paragraph, Section, WrongAnswer, WrongAnswers
from minbert.reporting.sections.drawing import unique_slugs
from minbert.reporting.texts import NoTexts, answered_texts
from minbert.tasks.kinds import Label

WORST = 20


def worst_errors(detailed: Sequence[System]) -> Section:
    """Return the section: of each system's first finished run, the answers that are furthest from the truth."""
    blocks: list[Block] = []
    missing = []
    names = unique_slugs([system.name for system in detailed])
    for system in detailed:
        run = system.first
        tables: list[Block] = []
        for task, given in run.answers.items():
            try:
                tables += _table(f"{names[system.name]}-{task}", task, given, answered_texts(run, task))
            except NoTexts as reason:
                missing.append(f"{system.name}, {task}: the texts cannot be read again: {reason}.")
        blocks += [Heading(system.name), *tables] if tables and len(detailed) > 1 else tables
    if without := [system.name for system in detailed if not system.first.answers]:
        missing.append(f"No answers to dev are kept: {', '.join(without)}.")
    return Section("worst-errors", "Worst errors", blocks, missing)


def worst_rows(answers: Answers, classes: bool) -> list[int]:
    """Return the rows of the worst answers, the worst first, as many as ``WORST``; right answers are never among them.

    Classes: the wrong answers that gave least probability to the true class, or to the true side of any of a row's
    classes. Scores: those furthest from the truth.
    """
    if classes:
        wrong = np.unique(np.argwhere(answers.predictions.values != answers.labels)[:, 0])
        order = np.argsort(_true_probabilities(answers)[wrong], kind="stable")
    else:
        distances = np.abs(answers.predictions.values - answers.labels)
        wrong = np.flatnonzero(distances > 0)
        order = np.argsort(-distances[wrong], kind="stable")
    return [int(row) for row in wrong[order][:WORST]]


def _true_probabilities(answers: Answers) -> NDArray[np.float64]:
    probabilities = answers.predictions.probabilities
    assert probabilities is not None
    if answers.labels.ndim == 2:
        true_sides: NDArray[np.float64] = np.where(answers.labels == 1, probabilities, 1 - probabilities).min(axis=1)
        return true_sides
    chosen: NDArray[np.float64] = probabilities[np.arange(len(answers)), answers.labels.astype(int)]
    return chosen


def _named(label: Label, names: Sequence[str]) -> str:
    """Return the name of a class, or those of a row's classes."""
    if isinstance(label, float):
        return names[int(label)]
    return ", ".join(names[place] for place in np.flatnonzero(label).tolist()) or "none"


def _table(name: str, task: str, answers: Answers, texts: Sequence[Sequence[str]]) -> list[Block]:
    classes = answers.predictions.probabilities is not None
    worst = worst_rows(answers, classes)
    if not worst:
        return [Paragraph(f"{task}: every one of {len(answers)} answers is right.")]
    names = answers.predictions.class_names
    probabilities = _true_probabilities(answers) if classes else None
    rows = []
    for row in worst:
        truth, predicted = answers.labels[row], answers.predictions.values[row]
        rows.append(
            WrongAnswer(
                id=answers.ids[row],
                truth=_named(truth, names) if classes else f"{truth:g}",
                predicted=_named(predicted, names) if classes else f"{predicted:.2f}",
                how_wrong=f"{probabilities[row]:.3f}" if probabilities is not None else f"{predicted - truth:+.2f}",
                texts=texts[row],
            )
        )
    measure = "probability of the true class" if classes else "difference"
    if answers.labels.ndim == 2:
        measure = "probability of the truth, of the worst class"
    return [
        WrongAnswers(
            name=f"worst-{name}",
            caption=f"{task}: the {len(rows)} worst of {len(answers):,} answers",
            measure=measure,
            rows=rows,
            classes=classes,
        )
    ]
