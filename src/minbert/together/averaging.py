"""Ensembles: averages of several models' answers, with equal weights or weights chosen on labelled rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minbert.randomness import generator
from minbert.tasks.kinds import Kind
from minbert.tasks.metrics import METRICS, worth
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings

Counts = NDArray[np.int64]
"""(members,) how often each member counts."""

ROUNDS = 30
"""How many members, repeats included, are added to a bag: weights are multiples of 1/30 at the finest."""


def average(members: Sequence[Predictions], counts: Counts, kind: Kind) -> Predictions:
    """Return the mean of the members' probabilities (or scores, which are within the labels' range), each ``counts``
    times, and the classes that follow from it."""
    return kind.decided(np.tensordot(counts, _stacked(members), axes=1) / counts.sum())


def choose_counts(members: Sequence[Predictions], labels: NDArray[np.float64], task: TaskSettings) -> Counts:
    """Return what the members should count, judged by the task's metric on rows with ``labels`` (R,).

    Ensemble selection with replacement (Caruana et al. 2004, section 2.2): from an empty bag, the member that helps
    most is added, again and again; the best bag on the way is taken. Equal weights stand unless a bag is better than
    they are. Of equals the first member and the smallest bag win, so nothing is drawn.
    """
    metric = METRICS[task.metric]
    answers = _stacked(members)

    def score(total: NDArray[np.float64], size: int) -> float:
        return worth(task.metric, metric.score(labels, task.kind.decided(total / size)))

    best = np.ones(len(members), dtype=np.int64)
    best_score = score(answers.sum(axis=0), len(members))
    counts, total = np.zeros_like(best), np.zeros_like(answers[0])
    for size in range(1, ROUNDS + 1):
        found = [score(total + answer, size) for answer in answers]
        chosen = int(np.argmax(found))
        counts[chosen] += 1
        total = total + answers[chosen]
        if found[chosen] > best_score:
            best, best_score = counts.copy(), found[chosen]
    return best


@dataclass(frozen=True, slots=True)
class HalfScores:
    """The task's metric on one half of the rows, of weights chosen on the other half and of equal weights."""

    chosen: float
    uniform: float


def held_out_scores(
    members: Sequence[Predictions], labels: NDArray[np.float64], task: TaskSettings, name: str
) -> list[HalfScores]:
    """Return what choosing weights is worth on rows they were not chosen on, both ways round.

    The rows are cut in two at random, alike for every ensemble of the task ``name``. Needs two rows at least.
    """
    metric = METRICS[task.metric]
    order = generator(0, "halves of an ensemble's rows", name).permutation(len(labels))
    halves = np.array_split(order, 2)
    results = []
    for here, there in (halves, halves[::-1]):
        counts = choose_counts([_of_rows(member, here) for member in members], labels[here], task)
        rest = [_of_rows(member, there) for member in members]
        chosen, uniform = (
            metric.score(labels[there], average(rest, way, task.kind)) for way in (counts, np.ones_like(counts))
        )
        results.append(HalfScores(chosen, uniform))
    return results


def _stacked(members: Sequence[Predictions]) -> NDArray[np.float64]:
    """Return the members' probabilities (members, R, classes), or scores (members, R)."""
    return np.stack([m.values if m.probabilities is None else m.probabilities for m in members])


def _of_rows(predicted: Predictions, rows: NDArray[np.int64]) -> Predictions:
    probabilities = None if predicted.probabilities is None else predicted.probabilities[rows]
    return Predictions(predicted.values[rows], probabilities, predicted.class_names)
