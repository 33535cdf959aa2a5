"""Whether probabilities mean what they say: confidence against accuracy, before and after temperature scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from minbert.evaluation.answers import Answers
from minbert.evaluation.calibration import (
    Reliability,
    error_by_chance,
    of_labels,
    reliability,
    scale_across_halves,
    yes_or_no,
)
from minbert.reporting.figure import Figure
from minbert.reporting.figures.intervals import wilson
from minbert.reporting.style import BLUE, INK, VERMILLION, new_drawing, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def reliability_diagram(task: str, answers: Answers) -> Figure | None:
    """Draw reliability diagrams of a task with classes, before and after temperature scaling (``calibration``).

    Where a row has any number of classes, each class of each row is an answer of its own: yes or no.

    Returns:
        None where there are fewer than two rows, or the task has scores for labels.
    """
    predicted = answers.predictions
    if predicted.probabilities is None or len(answers) < 2:
        return None
    probabilities, said, labels = predicted.probabilities, predicted.values, answers.labels
    if labels.ndim == 2:
        probabilities, said, labels = yes_or_no(probabilities), said.ravel(), labels.ravel()
    right = said == labels
    scaled, temperatures = scale_across_halves(probabilities, labels)
    confidences = {"before": of_labels(probabilities, said), "after": of_labels(scaled, said)}
    found = {name: reliability(confidence, right) for name, confidence in confidences.items()}
    chance = error_by_chance(confidences["before"])
    told = f"{temperatures[0]:.2f} and {temperatures[1]:.2f}"
    lowest = min(1 / probabilities.shape[1], *(float(values.min()) for values in confidences.values()))
    what = "answers on a class" if answers.labels.ndim == 2 else "rows"
    with styled():
        drawing, grid = new_drawing(4.3, 2, 2)
        grid[0, 0].get_gridspec().set_height_ratios([3.2, 1])
        for column, (name, colour, marker) in enumerate((("before", BLUE, "o"), ("after", VERMILLION, "s"))):
            _draw_bins(grid[0, column], found[name], colour, marker)
            grid[0, column].set_title(f"{name} scaling: ECE {found[name].error:.3f}")
            grid[1, column].hist(confidences[name], bins=found[name].edges, color=colour, alpha=0.6)
            grid[1, column].set(ylabel=what, xlabel="confidence (probability of the answer)")
            for axes in grid[:, column]:
                axes.set_xlim(max(0.0, np.floor(10 * lowest) / 10 - 0.02), 1.02)
                axes.grid(True, axis="y")
            grid[0, column].tick_params(labelbottom=False)
        most = max(int(reliable.counts.max()) for reliable in found.values())
        for axes in grid[1]:
            axes.set_ylim(0, 1.08 * most)
        drawing.align_ylabels()
    before, after = found["before"].error, found["after"].error
    return Figure(
        f"reliability-{task}",
        f"{task}: reliability",
        f"Share of right answers against confidence, in {len(found['before'].counts)} bins of equal width, with 95 % "
        "Wilson intervals; on the dotted line confidence is true. Below: how many each bin holds. ECE is the "
        "expected calibration error (Guo et al. 2017); if every confidence were true, so many rows would still show "
        f"{chance:.3f} on average. Temperatures ({told}) were fitted on one half of these rows and used on the other.",
        f"Reliability of {task}, {len(right):,} {what}: mean confidence {confidences['before'].mean():.2f}, accuracy "
        f"{right.mean():.2f}; expected calibration error {before:.3f} before and {after:.3f} after temperature scaling "
        f"with {told}.",
        drawing,
    )


def _draw_bins(axes: Axes, found: Reliability, colour: str, marker: str) -> None:
    held = found.counts > 0
    confidence, accuracy, counts = found.confidence[held], found.accuracy[held], found.counts[held]
    low, high = wilson(np.rint(accuracy * counts).astype(np.int64), counts)
    axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1.1)
    errors: NDArray[np.float64] = np.maximum([accuracy - low, high - accuracy], 0)
    axes.errorbar(confidence, accuracy, yerr=errors, color=colour, linestyle="", elinewidth=1, capsize=2)
    axes.plot(confidence, accuracy, color=colour, marker=marker)
    axes.set(ylim=(-0.03, 1.03), ylabel="accuracy (share right)")
