from __future__ import annotations

import numpy as np
import pytest
import torch

from minbert.tasks.heads import HeadOutput
from minbert.tasks.losses import Loss

LOSS = Loss.model_validate("pearson")


def run(scores: np.ndarray, labels: np.ndarray, dtype: torch.dtype = torch.float64) -> tuple[float, np.ndarray]:
    """Return loss and gradient."""
    logits = torch.tensor(scores, dtype=dtype).unsqueeze(-1).requires_grad_()
    loss = LOSS(HeadOutput(logits, None), torch.tensor(labels, dtype=dtype))
    loss.backward()
    assert logits.grad is not None
    return loss.item(), logits.grad.squeeze(-1).double().numpy()


def test_it_is_one_minus_the_correlation_with_ties_too() -> None:
    random = np.random.default_rng(0)
    for labels in (random.uniform(0, 5, 9), random.integers(0, 3, 9).astype(float)):
        scores = random.normal(size=9).round(1)
        assert run(scores, labels)[0] == pytest.approx(1 - np.corrcoef(scores, labels)[0, 1], rel=1e-12)


def test_its_gradient_is_the_formulas() -> None:
    random = np.random.default_rng(1)
    scores, labels = random.normal(size=8), random.uniform(0, 5, 8)
    x, y = scores - scores.mean(), labels - labels.mean()
    r = (x @ y) / np.sqrt((x @ x) * (y @ y))
    expected = -(y / np.sqrt((x @ x) * (y @ y)) - r * x / (x @ x))
    np.testing.assert_allclose(run(scores, labels)[1], expected, rtol=1e-10)


@pytest.mark.parametrize("factor", [1e-15, 1e-3, 1e15])
@pytest.mark.parametrize("shift", [0.0, 40.0, 1e6])
def test_scale_and_shift_of_scores_do_not_count_in_fp32(factor: float, shift: float) -> None:
    random = np.random.default_rng(2)
    scores, labels = random.normal(size=16), random.uniform(0, 5, 16)
    rounded = ((scores + shift) * factor).astype(np.float32).astype(np.float64)
    got, gradient = run(rounded, labels, torch.float32)
    assert got == pytest.approx(1 - np.corrcoef(rounded, labels)[0, 1], abs=1e-5)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        (np.full(5, 0.1), np.arange(5.0)),
        (np.arange(5.0), np.full(5, 3.8)),
        (np.zeros(5), np.zeros(5)),
        (np.array([2.0]), np.array([3.0])),
    ],
)
def test_where_no_correlation_is_defined_the_loss_is_one_with_no_gradient(
    scores: np.ndarray, labels: np.ndarray, dtype: torch.dtype
) -> None:
    loss, gradient = run(scores, labels, dtype)
    assert loss == 1.0
    assert (gradient == 0).all()


def test_rounding_alone_is_no_correlation() -> None:
    scores, labels = 0.1 + 2e-8 * np.arange(5), np.arange(5.0)
    assert len(set(scores.astype(np.float32))) > 1
    loss, gradient = run(scores, labels, torch.float32)
    assert loss == 1.0
    assert (gradient == 0).all()
    assert run(scores, labels)[0] == pytest.approx(0, abs=1e-9)  # in float64 they do differ


def test_numbers_that_are_not_finite_are_not_hidden() -> None:
    assert np.isnan(run(np.array([1.0, np.nan, 2.0]), np.arange(3.0))[0])
