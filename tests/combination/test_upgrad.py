from __future__ import annotations

import numpy as np
import pytest
import torch
from gradient_matrices import MATRICES, lengths, same_direction, weights_of
from scipy.optimize import minimize

from laws import each
from minbert.multitask.combination.gramian import project_to_dual_cone


@each("matrix", MATRICES)
def test_each_projection_is_the_nearest_by_its_optimality_conditions(matrix: str) -> None:
    """``p = g_i + J^T z`` is the nearest point of the cone where ``z >= 0``, ``J p >= 0`` and ``z . J p = 0``."""
    gradients = MATRICES[matrix]
    norms = lengths(gradients)
    for i, row in enumerate(np.eye(len(gradients))):
        added = project_to_dual_cone(gradients @ gradients.T, row) - row
        gains = gradients @ (gradients[i] + gradients.T @ added)
        assert (added >= 0).all()
        assert (gains >= -1e-8 * norms * norms[i]).all()
        assert np.abs(added * gains).max() <= 1e-8 * norms[i] ** 2


def test_the_projection_is_what_a_general_solver_finds_on_the_vectors() -> None:
    gradients = MATRICES["three in conflict"]
    total = np.zeros(4)
    for g in gradients:
        constraint = {"type": "ineq", "fun": lambda d: gradients @ d, "jac": lambda _: gradients}
        total += minimize(
            lambda d, g=g: (d - g) @ (d - g), g, jac=lambda d, g=g: 2 * (d - g), constraints=[constraint], tol=1e-14
        ).x
    assert gradients.T @ weights_of("upgrad", gradients) == pytest.approx(total, abs=1e-6)


@each("matrix", ["two in conflict", "three in conflict", "four", "orthogonal", "rank two of five"])
def test_upgrad_is_torchjds_times_the_tasks(matrix: str) -> None:
    from torchjd.aggregation import UPGradWeighting
    from torchjd.linalg import QuadprogProjector

    gradients = MATRICES[matrix]
    theirs = UPGradWeighting(projector=QuadprogProjector(norm_eps=0.0, reg_eps=1e-12))
    expected = theirs(torch.from_numpy(gradients @ gradients.T)).numpy() * len(gradients)
    same_direction(gradients, weights_of("upgrad", gradients), expected, 1e-5)
