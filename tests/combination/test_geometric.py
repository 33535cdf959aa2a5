from __future__ import annotations

import numpy as np
import pytest
import torch
from gradient_matrices import MATRICES, weights_of

from minbert.errors import UserError

ANY = MATRICES["three in conflict"]


def test_the_weights_are_the_derivatives_of_the_geometric_mean() -> None:
    losses = torch.tensor([0.3, 2.0, 1.1], dtype=torch.float64, requires_grad=True)
    losses.prod().pow(1 / 3).backward()
    assert weights_of("geometric", ANY, losses=losses.detach().numpy()) == pytest.approx(losses.grad.numpy())


def test_the_weights_are_the_derivatives_of_torchjds_geometric_mean() -> None:
    from torchjd.scalarization import GeometricMean

    losses = torch.tensor([0.3, 2.0, 1e-4], dtype=torch.float64, requires_grad=True)
    GeometricMean()(losses).backward()
    assert weights_of("geometric", ANY, losses=losses.detach().numpy()) == pytest.approx(losses.grad.numpy())


def test_losses_alike_give_the_plain_mean() -> None:
    assert weights_of("geometric", ANY, losses=np.full(3, 0.7)) == pytest.approx(np.full(3, 1 / 3))


def test_a_loss_of_zero_counts_as_the_floor() -> None:
    zero, floor = np.array([0.0, 2.0, 1.0]), np.array([1e-3, 2.0, 1.0])
    got = weights_of("geometric", ANY, losses=zero, floor=1e-3)
    assert np.isfinite(got).all()
    assert got == pytest.approx(weights_of("geometric", ANY, losses=floor, floor=1e-8))
    assert np.isfinite(weights_of("geometric", ANY, losses=np.zeros(3))).all()


def test_a_negative_loss_is_the_users_to_mend() -> None:
    with pytest.raises(UserError, match="negative"):
        weights_of("geometric", ANY, losses=np.array([1.0, -0.1, 1.0]))


def test_a_loss_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        weights_of("geometric", ANY, losses=np.array([1.0, np.nan, 1.0]))
