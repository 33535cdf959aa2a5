"""Averages of answers, and weights chosen on labelled rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from minbert.tasks.metrics import METRICS
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings
from minbert.together.averaging import ROUNDS, average, choose_counts, held_out_scores

CLASSES = TaskSettings.model_validate({"kind": "classification", "classes": ["a", "b", "c"]})
BINARY = TaskSettings.model_validate({"kind": "binary"})
SCORE = TaskSettings.model_validate({"kind": "regression", "range": [0, 5]})


def ones(count: int) -> NDArray[np.int64]:
    return np.ones(count, dtype=np.int64)


def test_probabilities_are_averaged_before_a_class_is_read_off() -> None:
    """Two of three members say b, yet the mean of probabilities says a."""
    said = [np.array([row]) for row in ([0.9, 0.1, 0.0], [0.4, 0.5, 0.1], [0.4, 0.5, 0.1])]
    mean = average([CLASSES.kind.decided(answers) for answers in said], ones(3), CLASSES.kind)
    assert mean.probabilities is not None
    np.testing.assert_allclose(mean.probabilities, [[1.7 / 3, 1.1 / 3, 0.2 / 3]], rtol=1e-15)
    assert mean.names == ["a"]


def test_counts_weigh_members() -> None:
    yes, no = (BINARY.kind.decided(np.array([[1 - p, p]])) for p in (0.6, 0.3))
    mean = average([yes, no], np.array([3, 1]), BINARY.kind)
    assert mean.probabilities is not None
    assert mean.probabilities[0].tolist() == pytest.approx([0.475, 0.525])
    assert mean.values.tolist() == [1.0]
    scores = [SCORE.kind.decided(np.array([value])) for value in (9.0, 2.0)]  # 9 is cut off at 5 before it counts
    assert average(scores, np.array([1, 2]), SCORE.kind).values.tolist() == [3.0]


def test_one_member_is_itself() -> None:
    random = np.random.default_rng(0)
    for task, answers in ((CLASSES, random.dirichlet(np.ones(3), 20)), (SCORE, random.uniform(-1, 6, 20))):
        alone = task.kind.decided(answers)
        mean = average([alone], ones(1), task.kind)
        np.testing.assert_array_equal(mean.values, alone.values)
        if alone.probabilities is not None:
            np.testing.assert_array_equal(mean.probabilities, alone.probabilities)
        assert choose_counts([alone], alone.values, task).tolist() == [1]


def members_of(
    random: np.random.Generator, rows: int, noises: tuple[float, ...]
) -> tuple[list[Predictions], NDArray[np.float64]]:
    labels = random.uniform(0, 5, rows)
    return [SCORE.kind.decided(labels + noise * random.normal(size=rows)) for noise in noises], labels


def test_chosen_weights_come_close_to_the_best_on_a_grid() -> None:
    members, labels = members_of(np.random.default_rng(1), 60, (0.5, 1.0, 3.0))
    pearson = METRICS["pearson"]

    def score(counts: NDArray[np.int64]) -> float:
        return pearson.score(labels, average(members, counts, SCORE.kind))

    grid = [np.array(c) for c in itertools.product(range(ROUNDS + 1), repeat=3) if sum(c) == ROUNDS]
    best = max(map(score, grid))
    counts = choose_counts(members, labels, SCORE)
    assert score(ones(3)) < score(counts) <= best + 1e-3
    assert score(counts) > best - 1e-3
    assert counts[0] > counts[1] > counts[2]


def test_weights_stay_equal_where_nothing_is_better() -> None:
    right = CLASSES.kind.decided(np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]))
    wrong = CLASSES.kind.decided(np.array([[0.4, 0.6, 0.0], [0.6, 0.4, 0.0]]))
    labels = np.array([0.0, 1.0])
    assert choose_counts([right, wrong, right], labels, CLASSES).tolist() == [1, 1, 1]
    assert choose_counts([wrong, right, wrong, wrong], labels, CLASSES).tolist() == [0, 1, 0, 0]
    constant = SCORE.kind.decided(np.full(4, 2.0))
    with pytest.warns(UserWarning, match="constant"):
        assert choose_counts([constant, constant], np.arange(4.0), SCORE).tolist() == [1, 1]


def test_held_out_scores_do_not_believe_weights_that_fit_noise() -> None:
    """Of many members that only guess, chosen weights look good where they were chosen, and no better elsewhere."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 80).astype(np.float64)
    members = [BINARY.kind.decided(np.stack([1 - p, p], axis=1)) for p in random.uniform(size=(30, 80))]
    fitted = METRICS["accuracy"].score(labels, average(members, choose_counts(members, labels, BINARY), BINARY.kind))
    halves = held_out_scores(members, labels, BINARY, "task")
    assert len(halves) == 2
    assert fitted > 0.7
    assert np.mean([half.chosen for half in halves]) < 0.62
    assert halves == held_out_scores(members, labels, BINARY, "task")


def test_held_out_scores_are_of_weights_from_the_other_half() -> None:
    members, labels = members_of(np.random.default_rng(5), 41, (0.2, 4.0))
    pearson = METRICS["pearson"]
    for half in held_out_scores(members, labels, SCORE, "task"):
        assert half.chosen > half.uniform  # the good member is found on either half
    whole = pearson.score(labels, average(members, ones(2), SCORE.kind))
    assert np.mean([half.uniform for half in held_out_scores(members, labels, SCORE, "task")]) == pytest.approx(
        whole, abs=0.1
    )
