"""Many resamples scored at once are what each of them scores by itself."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from simulated_answers import CASES, answers, outputs, predictions_of

from laws import each
from minbert.evaluation.resampling import (
    Array,
    _coins,
    _counts,
    _first_halves,
    half_scores,
    resampled_scores,
    score_each,
    swapped_differences,
)
from minbert.tasks.metrics import METRICS, ConstantPredictions, Metric


def one_by_one(metric: str, labels: Array, predictions: Array) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantPredictions)
        return METRICS[metric].score(labels, predictions_of(metric, predictions))


@each("rows", [1, 2, 5, 60])
@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_a_score_is_that_of_the_metric(kind: str, metric: str, rows: int) -> None:
    labels, predictions = outputs(kind, metric, rows, 4, np.random.default_rng(rows))
    predictions[0] = 1.0  # a constant
    wanted = [one_by_one(metric, labels, run) for run in predictions]
    np.testing.assert_allclose(score_each(metric, labels, predictions), wanted, atol=1e-12)


@each("rows", [1, 3, 40])
@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_resamples_score_as_the_rows_they_hold(kind: str, metric: str, rows: int) -> None:
    labels, predictions = outputs(kind, metric, rows, 3, np.random.default_rng(rows))
    found = resampled_scores(metric, labels, predictions, 30)
    counts = np.concatenate(list(_counts(labels, 30))).astype(int)
    for resample, count in enumerate(counts):
        held = np.repeat(np.arange(rows), count)
        wanted = [one_by_one(metric, labels[held], run[held]) for run in predictions]
        np.testing.assert_allclose(found[resample], wanted, atol=1e-12)


@each("rows", [2, 5, 40])
@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_halves_score_as_the_rows_they_hold(kind: str, metric: str, rows: int) -> None:
    labels, predictions = outputs(kind, metric, rows, 3, np.random.default_rng(rows))
    found = half_scores(metric, labels, predictions, 20)
    for drawn, first in enumerate(np.concatenate(list(_first_halves(labels, 20)))):
        assert first.sum() == rows // 2
        for half, held in enumerate((np.flatnonzero(first), np.flatnonzero(1 - first))):
            wanted = [one_by_one(metric, labels[held], run[held]) for run in predictions]
            np.testing.assert_allclose(found[drawn, half], wanted, atol=1e-12)


@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_the_way_that_is_open_to_every_metric_comes_to_the_same(kind: str, metric: str) -> None:
    labels, predictions = outputs(kind, metric, 25, 2, np.random.default_rng(4))
    counts = np.concatenate(list(_counts(labels, 12)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantPredictions)
        one_after_the_other = Metric.of_counts(METRICS[metric], labels, predictions, counts)
    np.testing.assert_allclose(METRICS[metric].of_counts(labels, predictions, counts), one_after_the_other, atol=1e-12)
    if METRICS[metric].exchangeable(labels, predictions)[1] is predictions:  # else a resample has a scale of its own
        coins = np.concatenate(list(_coins(labels, 12)))
        swaps = [
            way(METRICS[metric], labels, predictions[:1], predictions[1:], coins)
            for way in (Metric.of_swaps, type(METRICS[metric]).of_swaps)
        ]
        np.testing.assert_allclose(*swaps, atol=1e-12)


def test_work_in_portions_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, predictions = answers("binary", 50, 2, np.random.default_rng(0))
    whole = (
        resampled_scores("f1", labels, predictions, 40),
        swapped_differences("f1", labels, *np.split(predictions, 2), 40),
    )
    monkeypatch.setattr("minbert.evaluation.resampling._AT_ONCE", 350)
    parts = (
        resampled_scores("f1", labels, predictions, 40),
        swapped_differences("f1", labels, *np.split(predictions, 2), 40),
    )
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])


def prepared(metric: str, values: Array) -> Array:
    """Return answers as they are exchanged: correlations know no scale."""
    from scipy.stats import rankdata, zscore

    if metric == "pearson":
        return np.asarray(zscore(values, axis=-1))
    if METRICS[metric].of_probabilities:
        return np.asarray(rankdata(values, axis=1))
    return np.asarray(zscore(rankdata(values, axis=-1), axis=-1)) if metric == "spearman" else values


@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_swaps_exchange_the_answers_of_every_pair_of_runs(kind: str, metric: str) -> None:
    labels, predictions = outputs(kind, metric, 30, 5, np.random.default_rng(2))
    first, second = predictions[:2], predictions[2:]
    found = swapped_differences(metric, labels, first, second, 20)
    for swap, coins in enumerate(np.concatenate(list(_coins(labels, 20))).astype(bool)):
        differences = []
        for one in prepared(metric, first):
            for two in prepared(metric, second):
                moved = coins if one.ndim == 1 else coins[:, None]
                swapped = np.where(moved, two, one), np.where(moved, one, two)
                if metric == "spearman":  # ranks are exchanged, and not ranked again
                    differences.append(np.subtract(*(np.corrcoef(prepared(metric, labels), s)[0, 1] for s in swapped)))
                else:
                    differences.append(np.subtract(*(one_by_one(metric, labels, s) for s in swapped)))
        assert found[swap] == pytest.approx(np.mean(differences), abs=1e-12)


def test_other_scale_is_no_other_system() -> None:
    labels, predictions = answers("regression", 80, 1, np.random.default_rng(3))
    assert np.abs(swapped_differences("pearson", labels, predictions, 0.1 * predictions + 2, 50)).max() < 1e-12
