"""Where a model errs: by the length of the text, and by how much the two texts of a pair have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from minbert.evaluation.answers import Answers
from minbert.reporting.figure import Figure
from minbert.reporting.figures.intervals import mean_interval, wilson
from minbert.reporting.style import BLUE, GREEN, INK, new_drawing, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS_PER_BIN = 25
MOST_BINS = 8

Values = NDArray[np.float64]


def errors_by_text(task: str, texts: Sequence[Sequence[str]], answers: Answers) -> Figure | None:
    """Draw a task's errors by length and, for pairs, by overlap of words, in bins of about as many rows.

    Args:
        task: its name.
        texts: (R,) the one or two texts of each row, in the order of ``answers``.
        answers: to those rows.

    Returns:
        None where there are no rows.
    """
    if not len(answers):
        return None
    classes = answers.predictions.probabilities is not None
    off = np.abs(answers.predictions.values - answers.labels)
    off = off.max(axis=1) if off.ndim == 2 else off  # of several classes one is enough to be wrong
    errors = (off > 0).astype(np.float64) if classes else off
    name = "share of wrong answers" if classes else "mean absolute error"
    pairs = len(texts[0]) == 2
    lengths = np.array([sum(len(text.split()) for text in row) for row in texts], dtype=np.float64)
    words = "words of both texts together" if pairs else "words of the text"
    panels = [("by length", words, lengths, BLUE, "o")]
    if pairs:
        overlaps = np.array([overlap(first, second) for first, second in texts])
        panels.append(("by overlap", "words in common, of all words (Jaccard)", overlaps, GREEN, "s"))
    with styled():
        drawing, grid = new_drawing(3.0, 1, len(panels), width=7.0 if pairs else 4.6)
        told = []
        for axes, (title, label, values, colour, marker) in zip(grid[0], panels, strict=True):
            numbers = equal_bins(values)
            told.append(f"{title}: {_draw_bins(axes, values, errors, numbers, classes, colour, marker)}")
            axes.axhline(errors.mean(), color=INK, linestyle=(0, (4, 3)), linewidth=0.9, zorder=0.5)
            axes.set(title=title, xlabel=label, ylabel=name)
            axes.grid(True, axis="y")
        top = max(axes.get_ylim()[1] for axes in grid[0])
        for axes in grid[0]:
            axes.set_ylim(0, top)
    return Figure(
        f"errors-{task}",
        f"{task}: errors by text",
        f"{name[0].upper()}{name[1:]} in bins of about as many rows each: a bar across is the stretch of a bin, one "
        f"upwards its 95 % interval ({'Wilson' if classes else 'Student'}). The dashed line is all rows together.",
        f"{name[0].upper()}{name[1:]} of {task}, {errors.mean():.2f} over {len(answers):,} rows. {'; '.join(told)}.",
        drawing,
    )


def overlap(first: str, second: str) -> float:
    """Return the Jaccard index of two texts' sets of words, without case and punctuation; 0 where neither has any."""
    one, other = (set(re.findall(r"\w+", text.lower())) for text in (first, second))
    return len(one & other) / len(one | other) if one | other else 0.0


def equal_bins(values: Values) -> NDArray[np.int64]:
    """Return the bin of each value (R,), numbered from 0 in their order; equal values share one.

    There are at most ``MOST_BINS``, fewer of few rows; where values are equal, bins are of unequal count.
    """
    bins = int(np.clip(len(values) // ROWS_PER_BIN, 1, MOST_BINS))
    inner = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf"))
    numbers: NDArray[np.int64] = np.unique(np.searchsorted(inner, values, side="left"), return_inverse=True)[1]
    return numbers


def _draw_bins(
    axes: Axes, values: Values, errors: Values, numbers: NDArray[np.int64], classes: bool, colour: str, marker: str
) -> str:
    middles, means = [], []
    for number in range(numbers.max() + 1):
        inside = numbers == number
        chosen, mean = errors[inside], float(errors[inside].mean())
        if classes:
            low, high = (
                float(end[0]) for end in wilson(np.array([chosen.sum()], np.int64), np.array([len(chosen)], np.int64))
            )
        else:
            low, high = mean_interval(chosen)
        middle = float(values[inside].mean())
        axes.plot([values[inside].min(), values[inside].max()], [mean, mean], color=colour, linewidth=2, alpha=0.5)
        axes.plot([middle, middle], [low, high], color=colour, linewidth=1)
        middles.append(middle)
        means.append(mean)
    axes.plot(middles, means, color=colour, marker=marker, linewidth=0.8)
    return f"{means[0]:.2f} at {middles[0]:.3g} on average, {means[-1]:.2f} at {middles[-1]:.3g}"
