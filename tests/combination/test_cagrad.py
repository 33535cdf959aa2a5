from __future__ import annotations

import numpy as np
import pytest
from gradient_matrices import MATRICES, Array, lengths, weights_of
from scipy.optimize import minimize

from laws import each
from minbert.multitask.combination.gramian import project_to_dual_cone


def bound(gradients: Array, c: float) -> float:
    """The dual: no ``d`` of the ball has a greater ``min_i g_i . d`` than this. A general solver on the vectors."""
    tasks, mean = len(gradients), gradients.mean(0)

    def value(w: Array) -> float:
        g = gradients.T @ w
        return float(g @ mean + c * np.linalg.norm(mean) * np.sqrt(g @ g + 1e-18))

    starts = [np.full(tasks, 1 / tasks), *(0.9 * np.eye(tasks) + 0.1 / tasks)]
    total = {"type": "eq", "fun": lambda w: w.sum() - 1}
    found = [minimize(value, s, bounds=[(0, 1)] * tasks, constraints=[total], tol=1e-13) for s in starts]
    return min(value(np.maximum(each.x, 0) / np.maximum(each.x, 0).sum()) for each in found)


@pytest.mark.parametrize("c", [0.1, 0.4, 0.9])
@pytest.mark.parametrize(
    "matrix",
    ["two", "two in conflict", "three in conflict", "four", "opposed, unequal", "cancelling", "one zero", "orthogonal"],
)
def test_cagrad_serves_the_worst_served_task_as_well_as_the_ball_allows(matrix: str, c: float) -> None:
    gradients = MATRICES[matrix]
    mean = gradients.mean(0)
    direction = gradients.T @ weights_of("cagrad", gradients, c=c) / len(gradients)
    scale = lengths(gradients).max() * np.linalg.norm(mean)
    assert np.linalg.norm(direction - mean) <= c * np.linalg.norm(mean) * (1 + 1e-9)
    worst = (gradients @ direction).min()
    assert worst == pytest.approx(bound(gradients, c), abs=2e-6 * scale)


def test_two_opposed_tasks_by_hand() -> None:
    """Gradients 1 and -0.5: the mean is 0.25, the worst served is the second, so the step shrinks to 0.25 (1 - c)."""
    gradients = np.array([[1.0], [-0.5]])
    assert gradients.T @ weights_of("cagrad", gradients, c=0.4) == pytest.approx([2 * 0.25 * 0.6])


@each("matrix", MATRICES)
def test_without_a_ball_it_is_the_plain_sum(matrix: str) -> None:
    assert weights_of("cagrad", MATRICES[matrix], c=0) == pytest.approx(np.ones(len(MATRICES[matrix])))


def test_beside_a_gradient_of_zero_the_others_are_only_freed_of_conflicts() -> None:
    gradients = np.vstack([MATRICES["two in conflict"], np.zeros(3)])
    expected = project_to_dual_cone(gradients @ gradients.T, np.ones(3))
    assert weights_of("cagrad", gradients) == pytest.approx(expected)
