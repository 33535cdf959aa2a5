"""Figures of training: curves and gradient weather show what the history holds, for one evaluation, for eight tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from figure_checks import check, words
from matplotlib.axes import Axes
from numpy.typing import NDArray

from minbert.reporting.figures.learning import learning_curves
from minbert.reporting.figures.weather import gradient_cosines, loss_weights
from minbert.training.weather import Weather

LONG = "a-task-with-a-name-that-nobody-would-like-to-type-twice"
THREE = ["sentiment", "paraphrase", "similarity"]
EIGHT = [f"{LONG}-{number}" for number in range(8)]


def history(tasks: list[str], evaluations: int, weighing: str = "surgery") -> list[dict[str, Any]]:
    """Return a history such as the loop writes it, its weather from ``Weather`` itself."""
    rng = np.random.default_rng(len(tasks))
    weather = Weather(tasks)
    lines = []
    for number in range(evaluations + 1):
        scores: dict[str, Any] = {task: {"accuracy": float(rng.uniform(0.2, 0.9))} for task in tasks}
        scores["overall"] = float(np.mean([score["accuracy"] for score in scores.values()]))
        if number:
            for _ in range(10):
                gradients = torch.from_numpy(rng.normal(size=(len(tasks), 6)))
                weights = torch.ones(len(tasks)).double()
                if weighing != "sum":
                    weights = torch.from_numpy(rng.uniform(0.5, 1.5, len(tasks)))
                weather.add(weights, gradients @ gradients.T if weighing == "surgery" else None)
        losses = {task: float(rng.uniform(0.1, 3)) for task in tasks} if number else {}
        lines.append({"step": 10 * number, "losses": losses, "combination": weather.report(), "dev": scores})
        weather.clear()
    return lines


def curve(axes: Axes, index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middles of intervals and the means that the series ``index`` was drawn of."""
    markers = [line for line in axes.lines if line.get_linestyle() == "None" and len(line.get_xdata())]
    return np.asarray(markers[index].get_xdata()), np.asarray(markers[index].get_ydata())


@pytest.mark.parametrize(("tasks", "evaluations"), [(THREE, 6), (THREE, 1), (EIGHT, 2), (["mood"], 40)])
def test_learning_curves(tasks: list[str], evaluations: int) -> None:
    lines = history(tasks, evaluations)
    best = lines[-1]["step"]
    figure = learning_curves(lines, dict.fromkeys(tasks, "accuracy"), best)
    assert figure is not None
    check(figure)
    axes = figure.drawing.axes
    for index, task in enumerate(tasks):
        steps, losses = curve(axes[2 * index], 0)
        np.testing.assert_array_equal(losses, [line["losses"][task] for line in lines[1:]])
        np.testing.assert_array_equal(steps, [line["step"] - 5 for line in lines[1:]])
        kept, scores, top = axes[2 * index + 1].lines
        assert list(np.asarray(kept.get_xdata())) == [best, best]
        given = [line["dev"][task]["accuracy"] for line in lines]
        np.testing.assert_array_equal(scores.get_ydata(), given)
        np.testing.assert_array_equal(scores.get_xdata(), [line["step"] for line in lines])
        assert np.asarray(top.get_ydata()).item() == max(given)
        assert f"{lines[0]['dev'][task]['accuracy']:.3f} to {given[-1]:.3f}" in figure.alt
    if len(tasks) > 1:
        np.testing.assert_array_equal(axes[-1].lines[1].get_ydata(), [line["dev"]["overall"] for line in lines])
    else:
        assert len(axes) == 2


def test_a_task_may_rest_between_two_evaluations() -> None:
    lines = history(THREE, 4)
    del lines[2]["losses"]["paraphrase"]
    figure = learning_curves(lines, dict.fromkeys(THREE, "accuracy"), 20)
    assert figure is not None
    check(figure)
    losses = curve(figure.drawing.axes[2], 0)[1]
    assert np.isnan(losses[1]) and not np.isnan(losses[[0, 2, 3]]).any()


@pytest.mark.parametrize("evaluations", [1, 7])
def test_cosines_as_lines(evaluations: int) -> None:
    lines = history(THREE, evaluations)
    figure = gradient_cosines(lines)
    assert figure is not None
    check(figure)
    left, right = figure.drawing.axes
    for index, pair in enumerate(lines[1]["combination"]["cosines"]):
        reports = [line["combination"] for line in lines[1:]]
        np.testing.assert_allclose(curve(left, index)[1], [report["cosines"][pair] for report in reports])
        np.testing.assert_allclose(curve(right, index)[1], [100 * report["conflicts"][pair] for report in reports])
        assert pair.replace("~", " – ") in words(figure)


@pytest.mark.parametrize("evaluations", [1, 30])
def test_cosines_of_many_pairs_as_colours(evaluations: int) -> None:
    lines = history(EIGHT, evaluations)
    figure = gradient_cosines(lines)
    assert figure is not None
    check(figure)
    for axes, what, times in zip(figure.drawing.axes, ("cosines", "conflicts"), (1, 100), strict=False):
        drawn = np.asarray(axes.collections[0].get_array()).reshape(28, evaluations)
        given = [list(line["combination"][what].values()) for line in lines[1:]]
        np.testing.assert_allclose(drawn, times * np.transpose(given))


@pytest.mark.parametrize("tasks", [THREE, EIGHT], ids=len)
def test_weights_norms_and_moved(tasks: list[str]) -> None:
    lines = history(tasks, 5)
    figure = loss_weights(lines)
    assert figure is not None
    check(figure)
    reports = [line["combination"] for line in lines[1:]]
    for index, task in enumerate(tasks):
        for axes, what in zip(figure.drawing.axes, ("weights", "norms"), strict=False):
            np.testing.assert_allclose(curve(axes, index)[1], [report[what][task] for report in reports])
    np.testing.assert_allclose(curve(figure.drawing.axes[2], 0)[1], [report["moved"] for report in reports])


def test_weights_without_gradients_of_their_own() -> None:
    lines = history(THREE, 3, weighing="weights")
    assert gradient_cosines(lines) is None
    figure = loss_weights(lines)
    assert figure is not None
    check(figure)
    assert len(figure.drawing.axes) == 1


def test_nothing_to_draw() -> None:
    summed = history(THREE, 3, weighing="sum")
    assert gradient_cosines(summed) is None and loss_weights(summed) is None
    assert gradient_cosines(history(["mood"], 3)) is None
    untrained = history(THREE, 0)
    assert learning_curves(untrained, dict.fromkeys(THREE, "accuracy"), 0) is None
    assert gradient_cosines(untrained) is None and loss_weights(untrained) is None
