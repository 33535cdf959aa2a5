from __future__ import annotations

import numpy as np
import pytest
import torch
from gradient_matrices import FULL_RANK, MATRICES, weights_of
from pydantic import ValidationError

from laws import each
from minbert.multitask.combination import Combination

ALPHAS = [0.01, 0.1, 0.5, 1.0, 2.0, 10.0]


@each("alpha", ALPHAS)
@each("matrix", [*FULL_RANK, "far apart"])
def test_fairgrad_solves_its_equation(matrix: str, alpha: float) -> None:
    gradients = MATRICES[matrix]
    gramian = gradients @ gradients.T
    gramian /= np.linalg.norm(gramian)
    weights = weights_of("fairgrad", gradients, alpha=alpha)
    error = gramian @ weights - weights ** (-1 / alpha)
    assert (np.abs(error) <= 2e-8 * (np.abs(gramian) @ weights)).all()


def test_fairgrad_between_its_ends() -> None:
    gradients = MATRICES["orthogonal"]
    near_sum = weights_of("fairgrad", gradients, alpha=0.01)
    assert near_sum / near_sum.mean() == pytest.approx(np.ones(3), rel=0.03)
    spreads = []
    for alpha in ALPHAS:
        gains = (gradients**2).sum(1) * weights_of("fairgrad", gradients, alpha=alpha)
        spreads.append(gains.max() / gains.min())
    assert spreads == sorted(spreads, reverse=True), "the larger alpha, the more equal the gains"


@each("matrix", MATRICES)
def test_with_alpha_one_fairgrad_is_nash_mtl(matrix: str) -> None:
    gradients = MATRICES[matrix]
    assert weights_of("fairgrad", gradients, alpha=1) == pytest.approx(weights_of("nash_mtl", gradients), rel=1e-7)


@pytest.mark.parametrize("alpha", [0, -1, 11])
def test_an_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(ValidationError):
        Combination.model_validate({"name": "fairgrad", "alpha": alpha})


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@each("matrix", ["two", "two in conflict", "three in conflict", "four", "orthogonal"])
def test_fairgrad_is_torchjds_up_to_the_stated_factor(matrix: str, alpha: float) -> None:
    from torchjd.aggregation import FairGradWeighting

    gradients = MATRICES[matrix]
    gramian = gradients @ gradients.T
    theirs = FairGradWeighting(alpha, max_iters=10_000)(torch.from_numpy(gramian)).numpy()
    factor = np.linalg.norm(gramian) ** (alpha / (1 + alpha))
    assert weights_of("fairgrad", gradients, alpha=alpha) == pytest.approx(theirs * factor, rel=1e-5)
