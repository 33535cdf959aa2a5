"""Bars, costs and sweeps show the numbers they were given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from figure_checks import check, words

from minbert.reporting.figures.cost import cost
from minbert.reporting.figures.sweep import one_at_a_time, parallel_coordinates, scale_of
from minbert.reporting.figures.systems import system_bars

LONG = "a-system-with-a-name-that-nobody-would-like-to-type-twice"
METRICS = {"sentiment": "accuracy", "similarity": "pearson"}


@pytest.mark.parametrize(("tasks", "count"), [(2, 6), (3, 2), (8, 1)])
def test_bars(tasks: int, count: int) -> None:
    rng = np.random.default_rng(tasks)
    metrics = {f"{LONG}-{number}": "accuracy" for number in range(tasks)}
    systems = {}
    for system in range(count):
        middles = rng.uniform(0.3, 0.95, tasks + 1)
        systems[f"{system} {LONG}"] = {
            task: (m, m - 0.02, m + 0.03) for task, m in zip([*metrics, "overall"], middles, strict=True)
        }
    first = next(iter(systems))
    figure = system_bars(systems, metrics, baseline=first)
    assert figure is not None
    check(figure)
    for axes, task in zip(figure.drawing.axes, [*metrics, "overall"], strict=False):
        scores = [systems[system][task] for system in systems]
        assert [bar.get_width() for bar in axes.patches] == [score for score, _, _ in scores]
        assert axes.get_xlim()[0] == 0, "bars begin at 0"
        ends = [segments.get_segments()[0][:, 0] for segments in axes.collections]
        np.testing.assert_allclose(ends, [[low, high] for _, low, high in scores])
        best = max(range(count), key=lambda at: scores[at][0])
        assert [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"] == [f"{scores[best][0]:.3f}"]
        assert systems[first][task][0] in [line.get_xdata()[0] for line in axes.lines]


def test_bars_below_nought_and_missing_ones() -> None:
    systems = {
        "a": {"sentiment": (0.5, 0.4, 0.6), "similarity": (-0.1, -0.3, 0.1)},
        "b": {"sentiment": (0.6, 0.6, 0.6)},
    }
    figure = system_bars(systems, METRICS, baseline="b")
    assert figure is not None
    check(figure)
    left, right = figure.drawing.axes
    assert right.get_xlim()[0] < -0.3
    assert [bar.get_width() for bar in right.patches] == [-0.1]
    assert [text.get_text().strip() for text in right.texts] == ["-0.100", "none"]
    assert len(left.collections) == 1, "no error bar where there is no interval"
    assert system_bars({}, METRICS) is None


def test_costs() -> None:
    systems: dict[str, dict[str, Any]] = {
        "a": {
            "train_seconds": 64.1,
            "examples_per_second": 42.4,
            "peak_memory_mb": 1234.0,
            "device": "cpu",
            "threads": 1,
        },
        LONG: {"train_seconds": 3600.0, "examples_per_second": 20.0, "device": "cuda", "threads": 2},
    }
    figure = cost(systems)
    assert figure is not None
    check(figure)
    assert [[bar.get_width() for bar in axes.patches] for axes in figure.drawing.axes] == [
        [64.1, 3600.0],
        [42.4, 20.0],
        [1234.0],
    ]
    assert {"64.1", "3,600", "1,234"} <= {word.strip() for word in words(figure)}
    assert "cpu, 1 threads; cuda, 2 threads" in figure.caption
    assert cost({"a": {}}) is None


def sweep(
    values: list[dict[str, Any]], scores: list[float | None], base: dict[str, Any], sd: float | None = None
) -> Any:
    names = [f"run-{number}" for number in range(len(values))]
    known = [at for at, score in enumerate(scores) if score is not None]
    return {
        "score": "overall",
        "keys": base,
        "best": names[max(known, key=lambda at: scores[at] or 0)] if known else None,
        "base": next((name for name, value in zip(names, values, strict=True) if value == base), None),
        "configurations": [
            {
                "name": name,
                "values": value,
                "scores": {
                    "overall": None if score is None else {"mean": score, "sd": sd, "n": 1 if sd is None else 3}
                },
            }
            for name, value, score in zip(names, values, scores, strict=True)
        ],
    }


BASE = {"optimizer.learning_rate": 1e-4, "tasks.similarity.head": "cosine", "schedule.batch_size": 16}
AROUND = [
    BASE,
    {**BASE, "optimizer.learning_rate": 1e-5},
    {**BASE, "optimizer.learning_rate": 5e-5},
    {**BASE, "optimizer.learning_rate": 1e-3},
    {**BASE, "tasks.similarity.head": {"name": "a_head_with_settings", "hidden": 128, "dropout": 0.1}},
    {**BASE, "schedule.batch_size": 64, "tasks.similarity.head": "linear"},
]
SCORES = [0.60, 0.52, 0.58, 0.41, 0.63, None]


def test_one_at_a_time() -> None:
    figure = one_at_a_time(sweep(AROUND, SCORES, BASE, sd=0.01))
    assert figure is not None
    check(figure)
    rate, head, size = figure.drawing.axes
    joined = next(line for line in rate.lines if line.get_linestyle() == "-" and line.get_marker() == "o")
    np.testing.assert_array_equal(joined.get_ydata(), [0.52, 0.58, 0.60, 0.41])
    places = np.asarray(joined.get_xdata())
    ratios = np.diff(np.log([1e-5, 5e-5, 1e-4, 1e-3]))
    np.testing.assert_allclose(np.diff(places) / ratios, (places[-1] - places[0]) / ratios.sum())
    others = next(line for line in rate.lines if line.get_linestyle() == "None" and len(line.get_xdata()) == 1)
    assert others.get_ydata()[0] == 0.63, "differs in another key, so it stands apart"
    assert "learning_rate (log scale)" in words(figure)
    joined = next(line for line in head.lines if line.get_linestyle() == "-" and line.get_marker() == "o")
    np.testing.assert_array_equal(joined.get_ydata(), [0.60, 0.63])
    for axes in (rate, head, size):
        diamond = next(line for line in axes.lines if line.get_marker() == "D")
        assert np.asarray(diamond.get_ydata()).item() == 0.60
    assert "Best: learning_rate 0.0001, head {name: a_head_with_settings" in figure.alt


def test_parallel_coordinates() -> None:
    figure = parallel_coordinates(sweep(AROUND, SCORES, BASE))
    assert figure is not None
    check(figure)
    (axes,) = figure.drawing.axes
    lines = [np.asarray(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 4]
    assert len(lines) == 5, "one a configuration with a score"
    heights = np.array([line[-1] for line in lines])
    np.testing.assert_allclose(
        (heights - heights[0]) / (heights[-1] - heights[0]), (np.array([0.41, 0.52, 0.58, 0.60, 0.63]) - 0.41) / 0.22
    )
    labels = axes.get_legend_handles_labels()
    told = {label: np.asarray(line.get_ydata())[-1] for line, label in zip(*labels, strict=True)}
    assert told["best"] == heights[-1] and told["base (as the recipe stands)"] == heights[-2]


@pytest.mark.parametrize("keys", [1, 7])
def test_sweeps_of_few_and_many_keys(keys: int) -> None:
    rng = np.random.default_rng(keys)
    names = [f"tasks.{LONG}.setting_{number}" for number in range(keys)]
    values = [{name: float(rng.uniform(1e-6, 1e-2)) for name in names} for _ in range(20)]
    found = sweep(values, list(rng.uniform(0.3, 0.8, 20)), dict.fromkeys(names, 0.5))
    for draw in (one_at_a_time, parallel_coordinates):
        figure = draw(found)
        assert figure is not None
        check(figure)


def test_equal_scores_and_too_few_configurations() -> None:
    same = sweep(AROUND[:3], [0.5, 0.5, 0.5], BASE)
    for draw in (one_at_a_time, parallel_coordinates):
        figure = draw(same)
        assert figure is not None
        check(figure)
        assert draw(sweep(AROUND[:2], [0.5, None], BASE)) is None


def test_scales() -> None:
    assert [word for _, word in scale_of([1e-5, 1e-4, 1e-3, 3e-4]).ticks] == ["1e-05", "0.0001", "0.001"]
    assert scale_of([1e-5, 1e-4, 1e-3, 3e-4]).logarithmic
    even = scale_of([8, 16, 32, 64])
    assert not even.logarithmic
    np.testing.assert_allclose(np.diff(even.places) / [8, 16, 32], np.diff(even.places)[0] / 8)
    assert [word for _, word in scale_of([0.5, 0.1, 0.5]).ticks] == ["0.1", "0.5"], "two numbers in their order"
    mixed = scale_of(["none", 0.1, True, 0.1])
    assert [word for _, word in mixed.ticks] == ["none", "0.1", "true"]
    assert mixed.places[1] == mixed.places[3]
    assert list(scale_of([-1.0, 0.0, 0.5, 1.0]).places) == pytest.approx([0.05, 0.5, 0.725, 0.95])
