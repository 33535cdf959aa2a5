"""Figures of a task's answers: what is drawn is what was given, and nothing breaks where there is little of it."""

from __future__ import annotations

import numpy as np
import pytest
from figure_checks import check, words
from numpy.typing import NDArray
from scipy.stats import binomtest, pearsonr, spearmanr, ttest_1samp

from minbert.evaluation.answers import Answers
from minbert.evaluation.calibration import reliability, scale_across_halves
from minbert.reporting.figures.agreement import predicted_against_true
from minbert.reporting.figures.confusion import confusion
from minbert.reporting.figures.intervals import mean_interval, wilson
from minbert.reporting.figures.reliability import reliability_diagram
from minbert.reporting.figures.text_errors import equal_bins, errors_by_text, overlap
from minbert.tasks.predictions import Predictions

LONG = "a-task-with-a-name-that-nobody-would-like-to-type-twice"
MOODS = ["very negative", "negative", "neutral", "positive", "very positive"]


def scored(labels: NDArray[np.float64], values: NDArray[np.float64]) -> Answers:
    return Answers([str(row) for row in range(len(labels))], labels, Predictions(values, None, []))


def classified(labels: NDArray[np.float64], probabilities: NDArray[np.float64], names: list[str]) -> Answers:
    values = probabilities.argmax(axis=1).astype(np.float64)
    return Answers([str(row) for row in range(len(labels))], labels, Predictions(values, probabilities, names))


def some_scores(rows: int) -> Answers:
    rng = np.random.default_rng(rows)
    labels = np.round(rng.uniform(0, 5, rows), 1)
    return scored(labels, np.clip(0.7 * labels + rng.normal(1, 0.6, rows), 0, 5))


def some_classes(rows: int, names: list[str]) -> Answers:
    rng = np.random.default_rng(rows)
    probabilities = rng.dirichlet(np.full(len(names), 0.5), rows)
    labels = np.array([rng.choice(len(names), p=p) for p in probabilities]).astype(np.float64)
    return classified(labels, probabilities, names)


def test_points_are_the_rows() -> None:
    answers = some_scores(50)
    figure = predicted_against_true("similarity", answers)
    assert figure is not None
    check(figure)
    axes = figure.drawing.axes[0]
    points = next(line for line in axes.lines if line.get_label() == "a row")
    np.testing.assert_array_equal(points.get_xdata(), answers.labels)
    np.testing.assert_array_equal(points.get_ydata(), answers.predictions.values)
    line = next(line for line in axes.lines if str(line.get_label()).startswith("fitted"))
    (x0, x1), (y0, y1) = line.get_xdata(), line.get_ydata()
    covariance = np.cov(answers.labels, answers.predictions.values)
    assert (y1 - y0) / (x1 - x0) == pytest.approx(covariance[0, 1] / covariance[0, 0])
    r = pearsonr(answers.labels, answers.predictions.values).statistic
    rho = spearmanr(answers.labels, answers.predictions.values).statistic
    assert f"Pearson's r = {r:.3f},  Spearman's ρ = {rho:.3f}" in words(figure)
    assert f"{r:.3f}" in figure.alt


def test_hexagons_hold_every_row() -> None:
    answers = some_scores(2000)
    figure = predicted_against_true(LONG, answers)
    assert figure is not None
    check(figure)
    counts = np.asarray(figure.drawing.axes[0].collections[0].get_array())
    assert counts.sum() == 2000 and counts.min() >= 1
    levels = figure.drawing.axes[1].get_yticks()
    assert levels[0] == 1 and levels[-1] > counts.max() >= levels[-2]


@pytest.mark.parametrize("rows", [2, 500])
def test_constant_predictions(rows: int) -> None:
    labels = np.linspace(0, 5, rows)
    figure = predicted_against_true("similarity", scored(labels, np.full(rows, 2.5)))
    assert figure is not None
    check(figure)
    assert "no correlation: all predictions equal" in words(figure)
    both = predicted_against_true("similarity", scored(np.full(rows, 2.0), np.full(rows, 2.0)))
    assert both is not None
    check(both)
    assert "no correlation: all labels and predictions equal" in words(both)


def test_two_rows() -> None:
    figure = predicted_against_true("similarity", some_scores(2))
    assert figure is not None
    check(figure)
    assert any("means nothing" in word for word in words(figure))
    for drawn in (
        confusion("mood", some_classes(2, MOODS)),
        reliability_diagram("mood", some_classes(2, MOODS)),
        errors_by_text("mood", [("a b",), ("c",)], some_classes(2, MOODS)),
        errors_by_text("similarity", [("a b", "b"), ("c", "c")], some_scores(2)),
    ):
        assert drawn is not None
        check(drawn)


def test_nothing_to_draw() -> None:
    none, classes = some_scores(0), some_classes(30, MOODS)
    assert predicted_against_true("similarity", none) is None
    assert predicted_against_true("mood", classes) is None
    assert confusion("similarity", some_scores(9)) is None
    assert reliability_diagram("similarity", some_scores(9)) is None
    assert reliability_diagram("mood", some_classes(1, MOODS)) is None
    assert errors_by_text("similarity", [], none) is None


@pytest.mark.parametrize("names", [["0", "1"], MOODS, [f"{LONG}-{number}" for number in range(14)]], ids=len)
def test_confusion(names: list[str]) -> None:
    answers = some_classes(400, names)
    answers.predictions.values[answers.predictions.values == 1] = 0  # the second class is never predicted
    figure = confusion(LONG, answers)
    assert figure is not None
    check(figure)
    counts = np.zeros((len(names), len(names)))
    for label, value in zip(answers.labels, answers.predictions.values, strict=True):
        counts[int(label), int(value)] += 1
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes = figure.drawing.axes[0]
    np.testing.assert_allclose(np.asarray(axes.collections[0].get_array()).reshape(counts.shape), shares)
    told = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axes.texts}
    assert told[0, 0].split()[0] == f"{counts[0, 0]:.0f}"
    if len(names) <= 5:
        assert told[1, 0] == f"{counts[1, 0]:.0f}\n{100 * shares[1, 0]:.0f} %"
    assert f"Never predicted: {names[1]}." in figure.caption


def test_a_class_without_rows_has_no_shares() -> None:
    figure = confusion("mood", classified(np.array([0.0, 0.0]), np.array([[0.9, 0.1], [0.2, 0.8]]), ["no", "yes"]))
    assert figure is not None
    check(figure)
    assert [text.get_text() for text in figure.drawing.axes[0].texts] == ["1\n50 %", "1\n50 %", "0", "0"]


@pytest.mark.parametrize("names", [["0", "1"], MOODS], ids=len)
def test_reliability(names: list[str]) -> None:
    answers = some_classes(700, names)
    figure = reliability_diagram(LONG, answers)
    assert figure is not None
    check(figure)
    probabilities = answers.predictions.probabilities
    assert probabilities is not None
    right = answers.predictions.values == answers.labels
    scaled, temperatures = scale_across_halves(probabilities, answers.labels)
    for axes, given in zip(figure.drawing.axes[:2], (probabilities, scaled), strict=True):
        found = reliability(given.max(axis=1), right)
        held = found.counts > 0
        np.testing.assert_allclose(axes.lines[-1].get_xdata(), found.confidence[held])
        np.testing.assert_allclose(axes.lines[-1].get_ydata(), found.accuracy[held])
        assert f"{found.error:.3f}" in axes.get_title(loc="left")
    heights = [patch.get_height() for patch in figure.drawing.axes[2].patches]
    assert heights == pytest.approx(reliability(probabilities.max(axis=1), right).counts)
    assert f"{temperatures[0]:.2f} and {temperatures[1]:.2f}" in figure.caption


def test_all_right_and_all_wrong() -> None:
    for label in (0.0, 1.0):
        figure = reliability_diagram("mood", classified(np.full(40, label), np.tile([1.0, 0.0], (40, 1)), ["0", "1"]))
        assert figure is not None
        check(figure)


def test_errors_in_bins() -> None:
    rng = np.random.default_rng(0)
    answers = some_classes(300, MOODS)
    texts = [(" ".join("abcdefgh"[: rng.integers(1, 8)]), " ".join("efghij"[: rng.integers(1, 6)])) for _ in range(300)]
    figure = errors_by_text(LONG, texts, answers)
    assert figure is not None
    check(figure)
    wrong = answers.predictions.values != answers.labels
    lengths = np.array([len(first.split()) + len(second.split()) for first, second in texts])
    common = np.array([len(set(a.split()) & set(b.split())) / len(set(a.split()) | set(b.split())) for a, b in texts])
    for axes, values in zip(figure.drawing.axes, (lengths, common), strict=True):
        numbers = equal_bins(values.astype(np.float64))
        means = [wrong[numbers == number].mean() for number in range(numbers.max() + 1)]
        points = next(line for line in axes.lines if line.get_marker() in ("o", "s"))
        np.testing.assert_allclose(points.get_ydata(), means)
        np.testing.assert_allclose(
            points.get_xdata(), [values[numbers == number].mean() for number in range(numbers.max() + 1)]
        )


def test_errors_of_scores_and_single_texts() -> None:
    answers = some_scores(60)
    figure = errors_by_text("similarity", [("word " * (1 + row % 9),) for row in range(60)], answers)
    assert figure is not None
    check(figure)
    (axes,) = figure.drawing.axes
    assert axes.get_ylabel() == "mean absolute error"
    numbers = equal_bins(np.array([1.0 + row % 9 for row in range(60)]))
    off = np.abs(answers.predictions.values - answers.labels)
    points = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(points.get_ydata(), [off[numbers == 0].mean(), off[numbers == 1].mean()])


def test_bins_are_even_and_equal_values_stay_together() -> None:
    values = np.random.default_rng(0).permutation(200).astype(np.float64)
    numbers = equal_bins(values)
    np.testing.assert_array_equal(np.bincount(numbers), np.full(8, 25))
    assert all(values[numbers == n].max() < values[numbers == n + 1].min() for n in range(7))
    ties = equal_bins(np.array([3.0] * 150 + [5.0] * 50))
    np.testing.assert_array_equal(np.bincount(ties), [150, 50])
    np.testing.assert_array_equal(equal_bins(np.full(99, 2.0)), np.zeros(99))
    np.testing.assert_array_equal(equal_bins(np.array([4.0, 1.0])), [0, 0])


def test_overlap_of_words() -> None:
    assert overlap("The cat sat.", "the CAT ran!") == pytest.approx(2 / 4)
    assert overlap("a b", "c") == 0
    assert overlap("?", "!") == 0
    assert overlap("same", "Same") == 1


def test_intervals_against_scipy() -> None:
    for hits, count in ((0, 1), (3, 10), (10, 10), (400, 1101)):
        low, high = wilson(np.array([hits]), np.array([count]))
        known = binomtest(hits, count).proportion_ci(method="wilson")
        assert (low[0], high[0]) == pytest.approx((known.low, known.high), abs=1e-12)
    values = np.array([0.1, 0.9, 0.4, 1.5])
    known = ttest_1samp(values, 0).confidence_interval()
    assert mean_interval(values) == pytest.approx((known.low, known.high))
    assert mean_interval(np.array([2.0])) == (2.0, 2.0)
