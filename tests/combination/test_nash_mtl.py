from __future__ import annotations

import numpy as np
import pytest
import torch
from gradient_matrices import MATRICES, lengths, surgeon, weights_of

from laws import each

SOLVABLE = [
    *("two", "two in conflict", "three in conflict", "four", "orthogonal", "alike", "parallel"),
    *("far apart", "huge", "tiny", "huge squared", "tiny squared"),
]


@each("matrix", SOLVABLE)
def test_nash_mtl_solves_its_equation(matrix: str) -> None:
    gradients = MATRICES[matrix]
    gramian = gradients @ gradients.T
    weights = weights_of("nash_mtl", gradients) / np.sqrt(np.linalg.norm(gramian))  # the paper's
    assert weights * (gramian @ weights) == pytest.approx(np.ones(len(weights)), rel=1e-6)
    assert np.linalg.norm(gradients.T @ weights) == pytest.approx(np.sqrt(len(weights)))


def test_the_direction_does_not_depend_on_a_losss_scale() -> None:
    gradients = MATRICES["three in conflict"]
    directions = [g.T @ weights_of("nash_mtl", g) for g in (gradients, gradients * np.array([[1], [50], [0.02]]))]
    first, second = (d / np.linalg.norm(d) for d in directions)
    assert first == pytest.approx(second, abs=1e-7)


def test_two_tasks_have_a_closed_form() -> None:
    """In units of the gradients' lengths both weights are ``(1 + cos)^-1/2``."""
    gradients = MATRICES["two in conflict"]
    norms, gramian = lengths(gradients), gradients @ gradients.T
    expected = np.sqrt(np.linalg.norm(gramian) / (1 + gramian[0, 1] / norms.prod())) / norms
    assert weights_of("nash_mtl", gradients) == pytest.approx(expected, rel=1e-7)


def test_where_to_start_does_not_change_where_it_ends() -> None:
    random = np.random.default_rng(0)
    warm, losses = surgeon("nash_mtl", 4), torch.ones(4)
    warm.weights(torch.from_numpy(-np.ones((4, 4)) / 3 + 4 / 3 * np.eye(4)), losses, random)  # they cancel
    assert warm.state()["last"].max() > 1e3
    for seed in range(5):
        gradients = np.random.default_rng(seed).normal(size=(4, 8))
        weights = warm.weights(torch.from_numpy(gradients @ gradients.T), losses, random)
        assert weights.numpy() == pytest.approx(weights_of("nash_mtl", gradients), rel=1e-8)


@each("matrix", ["two in conflict", "three in conflict", "huge squared", "tiny squared", "one zero"])
def test_a_length_is_kept(matrix: str) -> None:
    gradients = MATRICES[matrix]
    weights = weights_of("nash_mtl", gradients, length=2.5)
    assert np.linalg.norm(gradients.T @ weights) == pytest.approx(2.5)
    assert weights / weights.max() == pytest.approx(
        weights_of("nash_mtl", gradients) / weights_of("nash_mtl", gradients).max()
    )


def test_a_length_is_not_forced_on_what_cancels() -> None:
    gradients = MATRICES["opposed"]
    assert np.linalg.norm(gradients.T @ weights_of("nash_mtl", gradients, length=1.0)) < 1e-6
