"""Which classes are taken for which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minbert.evaluation.answers import Answers
from minbert.reporting.figure import Figure
from minbert.reporting.style import BLUE, INK, new_drawing, shades, shortened, styled

MANY = 10
"""Beyond so many classes a cell has its count alone."""


def confusion_counts(answers: Answers) -> NDArray[np.int64]:
    """Return how often (true class, predicted class) occurred, (classes, classes)."""
    classes = len(answers.predictions.class_names)
    pairs = answers.labels.astype(int) * classes + answers.predictions.values.astype(int)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def confusion(task: str, answers: Answers) -> Figure | None:
    """Draw the confusion matrix of a task with classes: counts, and shares of each row.

    Returns:
        None where there are no rows, or a label is a score or several classes.
    """
    names = answers.predictions.class_names
    if not len(answers) or not names or answers.labels.ndim > 1:
        return None
    counts = confusion_counts(answers)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    shown = [shortened(name, 22) for name in names]
    size = 0.62 if len(names) <= MANY else 0.36
    labels = 0.075 * max(map(len, shown))
    side = size * len(names)
    turned = max(map(len, shown)) > size * 12
    with styled():
        drawing, grid = new_drawing(side + 0.62 + (0.75 * labels if turned else 0.2), width=side + labels + 2.0)
        axes = grid[0, 0]
        image = axes.pcolormesh(
            np.arange(len(names) + 1) - 0.5,
            np.arange(len(names) + 1) - 0.5,
            shares,
            cmap=shades(BLUE, 21),
            vmin=0,
            vmax=1,
        )
        for (row, column), count in np.ndenumerate(counts):
            share = f"\n{100 * shares[row, column]:.0f} %" if len(names) <= MANY and totals[row] else ""
            weight = "bold" if row == column else "normal"
            axes.text(column, row, f"{count}{share}", ha="center", va="center", fontsize=8, fontweight=weight)
        places = range(len(names))
        axes.set_xticks(places, shown, **({"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if turned else {}))
        axes.set_yticks(places, [f"{name} ({total})" for name, total in zip(shown, totals, strict=True)])
        axes.set(xlabel="predicted class", ylabel="true class (rows of it)", aspect="equal")
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(True)
        bar = drawing.colorbar(image, ax=axes, shrink=0.8, label="share of the true class", ticks=[0, 0.5, 1])
        bar.outline.set_linewidth(0.7)
        bar.outline.set_edgecolor(INK)
    right = float(np.trace(counts) / counts.sum())
    near = sum(int(np.trace(counts, offset)) for offset in (-1, 0, 1)) / counts.sum()
    never = [name for name, column in zip(names, counts.sum(axis=0), strict=True) if not column]
    ordered = f" {100 * near:.0f} % are in the right class or the one beside it." if len(names) > 2 else ""
    held = [(name, shares[at, at]) for at, name in enumerate(names) if totals[at]]
    recalls = ", ".join(f"{name} {100 * share:.0f} %" for name, share in held)
    return Figure(
        f"confusion-{task}",
        f"{task}: confusion matrix",
        f"Counts of {len(answers):,} rows and their shares of each true class, classes in the recipe's order."
        + ordered
        + (f" Never predicted: {', '.join(never)}." if never else ""),
        f"Confusion matrix of {task}: {100 * right:.0f} % of {len(answers):,} rows right. Right of each true class: "
        f"{recalls}.",
        drawing,
    )
