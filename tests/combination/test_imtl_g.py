from __future__ import annotations

import numpy as np
import pytest
import torch
from gradient_matrices import FULL_RANK, MATRICES, lengths, weights_of

from laws import each


@each("matrix", [*FULL_RANK, "far apart", "huge squared", "tiny squared"])
def test_the_projections_on_all_gradients_are_the_same(matrix: str) -> None:
    gradients = MATRICES[matrix]
    weights = weights_of("imtl_g", gradients)
    projections = gradients @ (gradients.T @ weights) / lengths(gradients)
    assert weights.sum() == pytest.approx(len(weights))
    assert projections == pytest.approx(np.full(len(weights), projections.mean()), rel=1e-6)


def test_dependent_gradients_are_treated_alike_where_that_can_be() -> None:
    gradients = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.2]])
    projections = gradients @ (gradients.T @ weights_of("imtl_g", gradients)) / lengths(gradients)
    assert projections == pytest.approx(np.full(3, projections[0]))


@pytest.mark.parametrize("seed", range(10))
def test_opposed_gradients_give_no_direction_whatever_their_lengths(seed: int) -> None:
    random = np.random.default_rng(seed)
    half = random.normal(size=(2, 50))
    gradients = np.vstack([half, -half]) * random.uniform(0.1, 1, size=(4, 1))
    assert weights_of("imtl_g", gradients).tolist() == [0, 0, 0, 0]


def test_a_sum_that_cancels_gives_no_direction_instead_of_an_endless_one() -> None:
    """For unit gradients ``v`` is the cosines' inverse times 1; here the lengths make its sum cancel."""
    first, second = np.array([1.0, 0.0]), np.array([0.8, 0.6])
    third = np.array([0.6, 0.8, 0.0])
    units = np.stack([np.append(first, 0), np.append(second, 0), third + np.array([0, 0, 1e-3])])
    units /= lengths(units)[:, None]
    shares = np.linalg.solve(units @ units.T, np.ones(3))
    assert shares.min() < 0
    positive, negative = shares[shares > 0].sum(), -shares[shares < 0].sum()
    gradients = units / np.where(shares > 0, negative / positive, 1)[:, None]
    assert weights_of("imtl_g", gradients).tolist() == [0, 0, 0]
    assert np.abs(weights_of("imtl_g", gradients * np.array([[1.1], [1.0], [1.0]]))).max() > 0


@each("matrix", FULL_RANK)
def test_imtl_g_is_torchjds_times_the_tasks(matrix: str) -> None:
    from torchjd.aggregation import IMTLGWeighting

    gradients = MATRICES[matrix]
    theirs = IMTLGWeighting()(torch.from_numpy(gradients @ gradients.T)).numpy()
    assert weights_of("imtl_g", gradients) == pytest.approx(theirs * len(theirs), rel=1e-7)
