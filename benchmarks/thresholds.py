"""Are thresholds that dev rows choose also better for other rows? Of a run's task with any number of classes a row.

    python benchmarks/thresholds.py RUN TASK

The run's answers to dev are halved again and again. One half chooses, the other is scored: with one half for every
class, with one threshold that is common to all, with each class's own, and with a mean of both, as ``minbert`` takes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from common import show, wide_console
from minbert.evaluation.answers import read_answers
from minbert.tasks import thresholds
from minbert.tasks.metrics import METRICS

HALVES = 20
CHOSEN_FOR = ("micro_f1", "macro_f1")
ROWS_OF_COMMON = {"common": 1e9, "own": 1e-9, "own, and common 10 times": 10, "20 times": 20, "50 times": 50}
"""What the common threshold counts, in rows of a class."""
COLUMNS = {"metric": "chosen for", "how": "thresholds", **{name: name for name in CHOSEN_FOR}}

Scores = dict[str, float]


def scores(labels: NDArray[np.float64], answers: NDArray[np.bool_]) -> Scores:
    """Return both scores of answers (R, classes)."""
    return {name: METRICS[name].of_rows(labels, answers.astype(np.float64)) for name in CHOSEN_FOR}


def measured(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> dict[tuple[str, str], list[Scores]]:
    """Return, for each metric and way to choose, the scores of the halves that have not chosen."""
    random, found = np.random.default_rng(0), {}
    for _ in range(HALVES):
        chooses, scored = np.array_split(random.permutation(len(labels)), 2)
        found.setdefault(("", "0.5"), []).append(scores(labels[scored], probabilities[scored] >= thresholds.HALF))
        for metric in CHOSEN_FOR:
            for how, rows in ROWS_OF_COMMON.items():
                with mock.patch.object(thresholds, "_ROWS_OF_COMMON", rows):
                    chosen = thresholds.chosen_thresholds(metric, labels[chooses], probabilities[chooses])
                found.setdefault((metric, how), []).append(scores(labels[scored], probabilities[scored] >= chosen))
    return found


def main() -> None:
    """Print the mean of each way's scores."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path)
    options.add_argument("task")
    given = options.parse_args()
    answers = read_answers(given.run, given.task, "dev")
    assert answers.predictions.probabilities is not None
    found = measured(answers.labels, answers.predictions.probabilities)
    rows = [
        {"metric": metric, "how": how, **{name: float(np.mean([one[name] for one in all_of])) for name in CHOSEN_FOR}}
        for (metric, how), all_of in found.items()
    ]
    show(wide_console(), f"{len(answers.labels):,} rows of dev, halved {HALVES} times", COLUMNS, rows)


if __name__ == "__main__":
    main()
