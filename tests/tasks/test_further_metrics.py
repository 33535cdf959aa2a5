"""Metrics that a task may choose, against scikit-learn's and scipy's own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference

from minbert.tasks.kinds import KINDS
from minbert.tasks.metrics import METRICS, Values, worth
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings
from minbert.training.scoring import score_dev


def drawn(classes: int, rows: int, seed: int) -> tuple[Values, Predictions]:
    """Return labels and predictions of a task with classes, probabilities with many ties."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, rows).astype(float)
    likely = np.round(random.random((rows, classes)), 1) + 0.4 * (labels[:, None] == np.arange(classes)) + 0.01
    probabilities = likely / likely.sum(1, keepdims=True)
    return labels, Predictions(probabilities.argmax(1).astype(float), probabilities, [])


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_metrics_of_classes_are_scikit_learns(classes: int, seed: int) -> None:
    labels, predicted = drawn(classes, 60, seed)
    values, probabilities = predicted.values, predicted.probabilities
    assert probabilities is not None
    each = [(labels == number, probabilities[:, number]) for number in range(1 if classes == 2 else 0, classes)]
    wanted = {
        "mcc": reference.matthews_corrcoef(labels, values),
        "weighted_f1": reference.f1_score(labels, values, average="weighted"),
        "macro_f1": reference.f1_score(labels, values, average="macro"),
        "roc_auc": np.mean([reference.roc_auc_score(*one) for one in each]),
        "average_precision": np.mean([reference.average_precision_score(*one) for one in each]),
        "qwk": reference.cohen_kappa_score(labels, values, weights="quadratic"),
        "mae": reference.mean_absolute_error(labels, values),
        "rmse": reference.root_mean_squared_error(labels, values),
    }
    for name, score in wanted.items():
        assert METRICS[name].score(labels, predicted) == pytest.approx(score, abs=1e-12), name


@pytest.mark.parametrize("classes", [2, 5])
def test_f1_of_few_rows_is_scikit_learns_though_classes_are_missing(classes: int) -> None:
    random = np.random.default_rng(classes)
    for rows in (1, 1, 2, 2, 3, 3, 4, 8, 30):
        labels, values = random.integers(0, classes, (2, rows)).astype(float)
        for average in ("macro", "weighted", "micro", *(["binary"] if classes == 2 else [])):
            metric = METRICS["f1" if average == "binary" else f"{average}_f1"]
            wanted = reference.f1_score(labels, values, average=average, zero_division=0.0)
            assert metric.of_rows(labels, values) == pytest.approx(wanted, abs=1e-12), (average, labels, values)


def test_area_of_several_classes_is_scikit_learns_one_versus_rest() -> None:
    labels, predicted = drawn(4, 80, 5)
    wanted = reference.roc_auc_score(labels, predicted.probabilities, multi_class="ovr", average="macro")
    assert METRICS["roc_auc"].score(labels, predicted) == pytest.approx(wanted)


def test_sets_of_classes_are_scored_as_by_scikit_learn() -> None:
    random = np.random.default_rng(1)
    labels = (random.random((50, 5)) < 0.4).astype(float)
    probabilities = np.round(0.6 * random.random((50, 5)) + 0.3 * labels, 1)
    predicted = Predictions((probabilities >= 0.5).astype(float), probabilities, list("abcde"))
    wanted = {
        "micro_f1": reference.f1_score(labels, predicted.values, average="micro"),
        "macro_f1": reference.f1_score(labels, predicted.values, average="macro"),
        "jaccard": reference.jaccard_score(labels, predicted.values, average="samples", zero_division=1.0),
        "exact_match": reference.accuracy_score(labels, predicted.values),
        "average_precision": reference.average_precision_score(labels, probabilities, average="macro"),
    }
    for name, score in wanted.items():
        assert METRICS[name].score(labels, predicted) == pytest.approx(score, abs=1e-12), name


@pytest.mark.parametrize("name", ["mcc", "roc_auc", "average_precision", "weighted_f1", "qwk"])
def test_labels_of_one_class_have_a_score_without_a_warning(name: str) -> None:
    predicted = Predictions(np.zeros(3), np.tile([0.8, 0.2], (3, 1)), [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = METRICS[name].score(np.zeros(3), predicted)
    assert score == {"roc_auc": 0.5, "weighted_f1": 1.0}.get(name, 0.0)


def test_a_class_without_rows_has_no_part_in_the_mean() -> None:
    labels, predicted = drawn(3, 40, 2)
    held = labels < 2
    probabilities = predicted.probabilities
    assert probabilities is not None
    some = Predictions(predicted.values[held], probabilities[held], [])
    wanted = [
        reference.average_precision_score(labels[held] == number, probabilities[held, number]) for number in (0, 1)
    ]
    assert METRICS["average_precision"].score(labels[held], some) == pytest.approx(np.mean(wanted))


def settings(**more: Any) -> TaskSettings:
    return TaskSettings.model_validate(more)


def test_a_task_is_scored_by_what_its_kind_always_is_and_by_its_own() -> None:
    tasks = {"a": settings(kind="binary", metric="mcc"), "b": settings(kind="regression", range=[1, 5], metric="rmse")}
    yes = Predictions(np.array([1.0, 0, 0]), np.array([[0.1, 0.9], [0.8, 0.2], [0.6, 0.4]]), ["0", "1"])
    scores = Predictions(np.array([1.0, 2, 5]), None, [])
    labels = np.array([1.0, 0, 1])
    found = score_dev(tasks, {"a": (yes, labels), "b": (scores, np.array([2.0, 2, 4]))})
    assert list(found.tasks["a"]) == ["accuracy", "f1", "mcc"]
    assert list(found.tasks["b"]) == ["pearson", "spearman", "rmse"]
    mcc, rmse = reference.matthews_corrcoef(labels, yes.values), np.sqrt(2 / 3)
    assert found.primary == {"a": pytest.approx(mcc), "b": pytest.approx(rmse)}
    assert found.overall["overall"] == pytest.approx((mcc + 1 - rmse / 4) / 2)
    assert found.overall["overall_leaderboard"] == pytest.approx(((mcc + 1) / 2 + 1 - rmse / 4) / 2)


def test_of_two_scores_the_worthier_one_is_better() -> None:
    assert worth("mae", 0.2) > worth("mae", 0.3)
    assert worth("stars.rmse", 0.2) > worth("stars.rmse", 0.3)
    assert worth("overall", 0.3) > worth("overall", 0.2)
    assert worth("stars.mcc", 0.3) > worth("stars.mcc", 0.2)


def test_every_metric_says_what_it_is() -> None:
    of_kinds = {name for kind in KINDS.values() for name in kind.known_metrics()}
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.title and metric.axis and metric.hub
        assert metric.bounds[0] < metric.bounds[1]
    assert of_kinds <= set(METRICS)
