"""Are thresholds that dev rows choose also better for other rows? Of a run's task of yes or no, or of several classes.

    python benchmarks/thresholds.py RUN TASK

The run's answers to dev are halved again and again. One half chooses, the other is scored. Yes and no have one
threshold. Of any number of classes a row: one half for every class, one threshold that is common to all, each class's
own, and a mean of both, as ``minbert`` takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from common import Figures, show, wide_console
from minbert.evaluation.answers import read_answers
from minbert.tasks import thresholds
from minbert.tasks.metrics import METRICS

HALVES = 20
SCORES_OF_SETS = ("micro_f1", "macro_f1")
SCORES_OF_ONE = ("f1", "macro_f1", "mcc", "accuracy")
"""Of yes and no; accuracy chooses nothing."""
ROWS_OF_COMMON = {"common": 1e9, "own": 1e-9, "own, and common 10 times": 10, "20 times": 20, "50 times": 50}
"""What the common threshold counts, in rows of a class."""

Array = NDArray[np.float64]
Ways = dict[tuple[str, str], Callable[[Array, Array], float | Array]]
"""By metric and by name: from labels and probabilities to the thresholds that they choose."""


def ways(several: bool) -> Ways:
    """Return the ways to choose, beginning with the one that chooses nothing."""
    found: Ways = {("", "0.5"): lambda _labels, _probabilities: thresholds.HALF}
    if not several:
        for metric in SCORES_OF_ONE[:-1]:
            found[metric, "chosen"] = partial(thresholds.chosen_threshold, metric)
        return found
    for metric in SCORES_OF_SETS:
        for how, rows in ROWS_OF_COMMON.items():
            found[metric, how] = partial(of_classes, metric, rows)
    return found


def of_classes(metric: str, rows_of_common: float, labels: Array, probabilities: Array) -> Array:
    """Return a threshold for each class."""
    with mock.patch.object(thresholds, "_ROWS_OF_COMMON", rows_of_common):
        return thresholds.chosen_thresholds(metric, labels, probabilities)


def measured(labels: Array, probabilities: Array) -> list[Figures]:
    """Return, for each way to choose, the mean scores of the halves that have not chosen.

    Args:
        labels: (R,) of yes and no, or (R, classes).
        probabilities: alike.
    """
    several = labels.ndim == 2
    scored_by = SCORES_OF_SETS if several else SCORES_OF_ONE
    random = np.random.default_rng(0)
    halves = [np.array_split(random.permutation(len(labels)), 2) for _ in range(HALVES)]
    rows = []
    for (metric, how), choose in ways(several).items():
        answered = [
            (labels[scored], (probabilities[scored] >= choose(labels[chooses], probabilities[chooses])) * 1.0)
            for chooses, scored in halves
        ]
        scores = {name: float(np.mean([METRICS[name].of_rows(*each) for each in answered])) for name in scored_by}
        rows.append({"metric": metric, "how": how, **scores})
    return rows


def main() -> None:
    """Print the mean of each way's scores."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path)
    options.add_argument("task")
    given = options.parse_args()
    answers = read_answers(given.run, given.task, "dev")
    probabilities = answers.predictions.probabilities
    assert probabilities is not None
    rows = measured(answers.labels, probabilities[:, 1] if answers.labels.ndim == 1 else probabilities)
    columns = {"metric": "chosen for", "how": "thresholds"} | {name: name for name in rows[0] if name in METRICS}
    show(wide_console(), f"{len(answers.labels):,} rows of dev, halved {HALVES} times", columns, rows)


if __name__ == "__main__":
    main()
