"""Predicted scores against true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from minbert.evaluation.answers import Answers
from minbert.evaluation.resampling import score_each
from minbert.reporting.figure import Figure
from minbert.reporting.style import BLUE, INK, VERMILLION, new_drawing, shades, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

Values = NDArray[np.float64]

FEW = 200
"""Up to so many rows each is a point of its own; more are counted in hexagons."""


def predicted_against_true(task: str, answers: Answers) -> Figure | None:
    """Draw a regression task's predictions against its labels, with density, fitted line and correlations.

    Returns:
        None where there are no rows, or the task has classes.
    """
    labels, values = answers.labels, answers.predictions.values
    if not len(answers) or answers.predictions.probabilities is not None:
        return None
    ends = float(min(labels.min(), values.min())), float(max(labels.max(), values.max()))
    room = 0.04 * (ends[1] - ends[0]) or 0.5
    ends = ends[0] - room, ends[1] + room
    constant = [name for name, numbers in (("labels", labels), ("predictions", values)) if np.ptp(numbers) <= 1e-12]
    with styled():
        drawing, grid = new_drawing(4.8, width=5.0 if len(answers) > FEW else 4.3)
        axes = grid[0, 0]
        axes.plot(ends, ends, color=INK, linestyle=":", linewidth=1.1, label="predicted = true")
        if len(answers) > FEW:
            _draw_density(drawing, axes, labels, values, ends)
        else:
            axes.plot(labels, values, "o", color=BLUE, alpha=0.55, markeredgewidth=0, label="a row")
        if "labels" not in constant:
            slope, intercept = np.polyfit(labels, values, 1)
            across = np.array([labels.min(), labels.max()])
            line = f"fitted: {slope:.2f} · true {'-' if intercept < 0 else '+'} {abs(intercept):.2f}"
            axes.plot(across, slope * across + intercept, color=VERMILLION, linewidth=2, label=line)
        axes.set(xlim=ends, ylim=ends, xlabel="true score (label)", ylabel="predicted score", aspect="equal")
        told = _told(answers, constant)
        legend = drawing.legend(loc="outside upper left", title=told, alignment="left")
        legend.get_title().set_fontweight("bold")
    off = float(np.abs(labels - values).mean())
    return Figure(
        f"agreement-{task}",
        f"{task}: predicted against true",
        f"{len(answers):,} rows"
        + (
            ", counted in hexagons: the stronger the colour, the more rows."
            if len(answers) > FEW
            else ", a point each."
        )
        + " The line is fitted by least squares; on the dotted line a prediction is as high as its label.",
        f"Predicted against true scores of {task}, {len(answers):,} rows: {told}; mean absolute error {off:.2f}.",
        drawing,
    )


def _told(answers: Answers, constant: Sequence[str]) -> str:
    if constant:
        return f"no correlation: all {' and '.join(constant)} equal"
    if len(answers) < 3:
        return "two rows: a correlation means nothing"
    values = answers.predictions.values[None]
    pearson, spearman = (score_each(name, answers.labels, values)[0] for name in ("pearson", "spearman"))
    return f"Pearson's r = {pearson:.3f},  Spearman's ρ = {spearman:.3f}"


def _draw_density(drawing: Drawing, axes: Axes, labels: Values, values: Values, ends: tuple[float, float]) -> None:
    from matplotlib.colors import BoundaryNorm

    hexagons = axes.hexbin(labels, values, gridsize=24, extent=(*ends, *ends), mincnt=1, linewidths=0)
    most = int(np.asarray(hexagons.get_array()).max())
    levels = [2**power for power in range(most.bit_length() + 1)]  # doubled each time: most hexagons hold few rows
    hexagons.set_cmap(shades(BLUE, len(levels) - 1, least=0.25))
    hexagons.set_norm(BoundaryNorm(levels, len(levels) - 1))
    bar = drawing.colorbar(hexagons, ax=axes, shrink=0.7, label="rows in a hexagon", ticks=levels)
    bar.ax.set_yticklabels([str(level) for level in levels])
    bar.outline.set_linewidth(0.7)
