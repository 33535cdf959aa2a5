"""How well each class is met where a row has any number of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minbert.evaluation.answers import Answers
from minbert.reporting.figure import Figure
from minbert.reporting.style import BLUE, GREEN, INK, VERMILLION, new_drawing, shortened, styled
from minbert.tasks.metrics import METRICS

MOST = 40
"""Of more classes, so many of the commonest are drawn."""


class OfClass(NamedTuple):
    """One class among the answers to rows that have any number of them."""

    name: str
    rows: int
    """That have it."""
    predicted: int
    """For which it was answered."""
    right: int
    """That have it and for which it was answered."""
    average_precision: float | None
    """None where no row has it."""

    @property
    def precision(self) -> float:
        """The share of what was answered that is right; 0 where nothing was."""
        return self.right / max(self.predicted, 1)

    @property
    def recall(self) -> float:
        """The share of the rows that have it for which it was answered; 0 where none has it."""
        return self.right / max(self.rows, 1)

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.right / max(self.rows + self.predicted, 1)


def of_classes(answers: Answers) -> list[OfClass]:
    """Return what is to be said of each class, the commonest first; nothing where a row has one class or a score."""
    labels, said, probabilities = answers.labels, answers.predictions.values, answers.predictions.probabilities
    if labels.ndim < 2 or not len(answers) or probabilities is None:
        return []

    def one(number: int, name: str) -> OfClass:
        true, given = labels[:, number] == 1, said[:, number] == 1
        ranking = METRICS["average_precision"].of_rows(labels[:, [number]], probabilities[:, [number]])
        counts = int(true.sum()), int(given.sum()), int((true & given).sum())
        return OfClass(name, *counts, ranking if true.any() else None)

    found = [one(number, name) for number, name in enumerate(answers.predictions.class_names)]
    return sorted(found, key=lambda of: -of.rows)


def class_scores(task: str, answers: Answers) -> Figure | None:
    """Draw precision, recall and F1 of each class, the commonest at the top.

    Returns:
        None where a row has one class or a score, or there are no rows.
    """
    found = of_classes(answers)
    if not found:
        return None
    shown = found[:MOST]
    places: NDArray[np.float64] = np.arange(len(shown), dtype=np.float64)
    with styled():
        drawing, grid = new_drawing(0.24 * len(shown) + 1.1)
        axes = grid[0, 0]
        f1 = [of.f1 for of in shown]
        axes.barh(places, f1, height=0.66, color=BLUE, alpha=0.35, linewidth=0, label="F1")
        axes.plot([of.precision for of in shown], places, "s", color=VERMILLION, markersize=4.5, label="precision")
        axes.plot([of.recall for of in shown], places, "o", color=GREEN, markersize=4.5, label="recall")
        axes.set_yticks(places, [f"{shortened(of.name, 26)} ({of.rows:,})" for of in shown])
        axes.set(xlim=(-0.02, 1.02), ylim=(len(shown) - 0.4, -0.6), xlabel="share", ylabel="class (rows of it)")
        axes.tick_params(axis="y", length=0)
        axes.grid(True, axis="x")
        axes.axvline(0, color=INK, linewidth=0.7)
        drawing.legend(loc="outside upper left", ncols=3)
    best, worst = max(found, key=lambda of: of.f1), min(found, key=lambda of: of.f1)
    never = [of.name for of in found if not of.predicted]
    only = f" The {MOST} commonest of {len(found)} classes are drawn." if len(found) > MOST else ""
    return Figure(
        f"classes-{task}",
        f"{task}: each class",
        f"Precision (share of its answers that are right), recall (share of its rows that are found) and F1 of each "
        f"class, over {len(answers):,} rows.{only}" + (f" Never predicted: {', '.join(never)}." if never else ""),
        f"Precision, recall and F1 of {len(found)} classes of {task}. The best F1 has {best.name} with {best.f1:.2f}, "
        f"the worst {worst.name} with {worst.f1:.2f}.",
        drawing,
    )
