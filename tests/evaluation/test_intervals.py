"""Intervals are scipy's, hold the truth as often as they say, and exist where there is little to go by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
from simulated_answers import CASES, answers, outputs, predictions_of, skilled

from laws import each
from minbert.evaluation.answers import Answers
from minbert.evaluation.intervals import score_interval
from minbert.evaluation.resampling import Array, score_each
from minbert.tasks.kinds import KINDS
from minbert.tasks.metrics import METRICS


def as_runs(labels: Array, predictions: Array, metric: str = "accuracy") -> Sequence[Answers]:
    ids = [str(row) for row in range(len(labels))]
    return [Answers(ids, labels, predictions_of(metric, run)) for run in predictions]


@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_a_single_run_has_scipys_percentile_interval(kind: str, metric: str) -> None:
    labels, predictions = outputs(kind, metric, 120, 1, np.random.default_rng(4))
    ours = score_interval(kind, metric, as_runs(labels, predictions, metric), resamples=4000)
    theirs = scipy.stats.bootstrap(
        (np.arange(120),),
        lambda rows: score_each(metric, labels[rows], predictions[:, rows])[0],
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    assert ours.score == pytest.approx(METRICS[metric].score(labels, predictions_of(metric, predictions[0])))
    tolerance = 0.25 * float(theirs.standard_error)  # of the ends, over which 2000 resamples scatter by 0.06
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=tolerance)


@pytest.mark.parametrize(("runs", "of_seeds"), [(1, 0.0), (2, 0.15), (3, 0.05), (5, 0.2)])
def test_intervals_of_accuracy_hold_the_truth_as_often_as_they_say(runs: int, of_seeds: float) -> None:
    random = np.random.default_rng(runs)
    truth = scipy.stats.norm.cdf(0.5 / np.sqrt(1 + of_seeds**2 + 0.25))
    labels, held, repeats = np.ones(300), 0, 500
    for _ in range(repeats):
        right = skilled(random.normal(0, 1, 300), runs, of_seeds, random)
        interval = score_interval("binary", "accuracy", as_runs(labels, right), resamples=400)
        held += interval.low <= truth <= interval.high
    assert (0.93 if runs != 2 else 0.90) <= held / repeats <= 0.97  # two seeds say too little of how seeds scatter


def test_intervals_of_a_correlation_hold_the_truth_as_often_as_they_say() -> None:
    random, held, repeats = np.random.default_rng(3), 0, 500
    for _ in range(repeats):
        labels = random.normal(0, 1, 250)
        predictions = labels + random.normal(0, 0.75, (1, 250))
        interval = score_interval("regression", "pearson", as_runs(labels, predictions), resamples=400)
        held += interval.low <= 0.8 <= interval.high
    assert 0.93 <= held / repeats <= 0.97


def test_seeds_that_scatter_widen_the_interval_and_few_seeds_more_so() -> None:
    random = np.random.default_rng(0)
    labels, rows = np.ones(1000), random.normal(0, 1, 1000)
    right = skilled(rows, 5, 0.4, random)

    def width(runs: Array) -> float:
        interval = score_interval("binary", "accuracy", as_runs(labels, runs))
        return interval.high - interval.low

    assert width(right[:1]) < 0.5 * width(right)
    assert width(right[[0, 4]]) > width(right)
    alike = np.repeat(right[:1], 3, axis=0)
    assert width(alike) == pytest.approx(width(right[:1]))


@each("rows", [1, 2, 4])
@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_defined_for_constants_and_few_rows(kind: str, metric: str, rows: int) -> None:
    labels, predictions = outputs(kind, metric, rows, 2, np.random.default_rng(0))
    of_labels = predictions.shape[1:] == labels.shape
    truth = labels if of_labels else (labels[:, None] == np.arange(predictions.shape[-1])).astype(float)
    least, greatest = METRICS[metric].bounds
    for answered in (predictions, np.ones_like(predictions), np.repeat(truth[None], 2, axis=0)):
        score, low, high = score_interval(kind, metric, as_runs(labels, answered, metric))
        assert least <= low <= score <= high <= greatest


def test_the_same_again_and_wider_with_more_confidence() -> None:
    runs = as_runs(*answers("classification", 90, 3, np.random.default_rng(1)))
    first, again = (score_interval("classification", "macro_f1", runs) for _ in range(2))
    wide = score_interval("classification", "macro_f1", runs, confidence=0.99)
    assert first == again
    assert wide.low < first.low < first.high < wide.high


def test_refuses_what_has_no_interval() -> None:
    runs = as_runs(*answers("binary", 9, 1, np.random.default_rng(1)))
    others = as_runs(*answers("binary", 8, 1, np.random.default_rng(1)))
    for kind, metric, given in (
        ("binary", "accuracy", []),
        ("binary", "pearson", runs),
        ("binary", "accuracy", [*runs, *others]),
        ("binary", "accuracy", as_runs(np.zeros(0), np.zeros((1, 0)))),
    ):
        assert kind in KINDS
        with pytest.raises(ValueError):
            score_interval("binary", metric, given)
