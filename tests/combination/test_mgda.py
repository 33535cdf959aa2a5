from __future__ import annotations

import numpy as np
import pytest
import torch
from gradient_matrices import MATRICES, weights_of

from laws import each


@each("matrix", MATRICES)
def test_mgda_is_the_shortest_mean_by_its_optimality_conditions(matrix: str) -> None:
    """``a`` is optimal where no ``g_i . d`` is below ``|d|^2``."""
    gradients = MATRICES[matrix]
    weights = weights_of("mgda", gradients) / len(gradients)
    assert weights.sum() == pytest.approx(1)
    direction = gradients.T @ weights
    assert (gradients @ direction >= direction @ direction - 1e-9 * (gradients**2).sum(1).max()).all()


def test_two_tasks_have_the_closed_form() -> None:
    first, second = MATRICES["two in conflict"]
    share = (second - first) @ second / ((first - second) @ (first - second))
    assert 0 < share < 1
    assert weights_of("mgda", np.stack([first, second])) == pytest.approx([2 * share, 2 - 2 * share])
    assert weights_of("mgda", np.stack([first, 0.1 * first])) == pytest.approx([0, 2])
    assert weights_of("mgda", np.stack([first, first])) == pytest.approx([1, 1])


@each("matrix", ["two", "two in conflict", "three in conflict", "four", "huge"])
def test_mgda_is_torchjds_times_the_tasks(matrix: str) -> None:
    from torchjd.aggregation import MGDA

    gradients = MATRICES[matrix]
    theirs = MGDA(epsilon=1e-9, max_iters=20_000)(torch.from_numpy(gradients)).numpy() * len(gradients)
    ours = gradients.T @ weights_of("mgda", gradients)
    assert ours == pytest.approx(theirs, abs=3e-3 * np.linalg.norm(theirs))
    assert np.linalg.norm(ours) <= np.linalg.norm(theirs) * (1 + 1e-9), "the exact answer is never longer"
