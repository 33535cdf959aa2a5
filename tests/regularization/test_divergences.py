"""The divergences against their definitions in float64, and where public code gets them wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from scipy.special import softmax as scipy_softmax
from torch import Tensor

from minbert.tasks.divergences import bernoulli_symmetric_kl, symmetric_kl
from minbert.tasks.heads import HeadOutput
from minbert.tasks.settings import TaskSettings

SETTINGS = {"classification": {"classes": 3}, "binary": {}, "regression": {"range": [0, 5]}}


def logits(rows: int, outputs: int, seed: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(rows, outputs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def output(values: Tensor, classes: Tensor | None = None) -> HeadOutput:
    return HeadOutput(values, None, classes)


def divergences(kind: str, one: HeadOutput, other: HeadOutput) -> Tensor:
    return TaskSettings.model_validate({"kind": kind, **SETTINGS[kind]}).divergences(one, other)


def test_symmetric_kl_is_both_divergences_added() -> None:
    one, other = logits(5, 4, 0), logits(5, 4, 1)
    p, q = scipy_softmax(one.numpy(), axis=1), scipy_softmax(other.numpy(), axis=1)
    wanted = (rel_entr(p, q) + rel_entr(q, p)).sum(1)
    np.testing.assert_allclose(symmetric_kl(one, other).numpy(), wanted, rtol=1e-12)


def test_one_logit_is_a_bernoulli_distribution() -> None:
    """A softmax over a single logit is 1 whatever it is, and its divergence always 0."""
    one, other = logits(7, 1, 2), logits(7, 1, 3)
    p, q = 1 / (1 + np.exp(-one.numpy())), 1 / (1 + np.exp(-other.numpy()))
    wanted = rel_entr(p, q) + rel_entr(q, p) + rel_entr(1 - p, 1 - q) + rel_entr(1 - q, 1 - p)
    found = divergences("binary", output(one), output(other))
    np.testing.assert_allclose(found.numpy(), wanted.squeeze(1), rtol=1e-11)
    assert float(found.min()) > 0
    assert float(symmetric_kl(one, other).abs().max()) == 0


def test_a_score_is_compared_row_with_row() -> None:
    one, other = logits(3, 1, 4), logits(3, 1, 5)
    found = divergences("regression", output(one), output(other))
    assert found.tolist() == [float(a - b) ** 2 for a, b in zip(one[:, 0], other[:, 0], strict=True)]
    assert divergences("regression", output(one), output(one)).tolist() == [0, 0, 0]


def test_a_score_read_off_classes_is_compared_by_its_classes() -> None:
    one, other = logits(3, 6, 6), logits(3, 6, 7)
    score = torch.ones(3, 1, dtype=torch.float64)
    torch.testing.assert_close(
        divergences("regression", output(score, one), output(score, other)), symmetric_kl(one, other)
    )


@pytest.mark.parametrize(("kind", "outputs"), [("classification", 5), ("binary", 1), ("regression", 1)])
def test_each_row_is_at_least_0_and_alone_in_its_row(kind: str, outputs: int) -> None:
    one, other = logits(6, outputs, 8), logits(6, outputs, 9)
    found = divergences(kind, output(one), output(other))
    assert found.shape == (6,)
    assert float(found.min()) >= 0
    torch.testing.assert_close(found, divergences(kind, output(other), output(one)))
    alone = [divergences(kind, output(one[r : r + 1]), output(other[r : r + 1])) for r in range(6)]
    torch.testing.assert_close(found, torch.cat(alone))


@pytest.mark.parametrize(("kind", "outputs"), [("classification", 3), ("binary", 1), ("regression", 1)])
def test_both_sides_have_the_whole_gradient(kind: str, outputs: int) -> None:
    def value(one: Tensor, other: Tensor) -> Tensor:
        return divergences(kind, output(one), output(other))

    one, other = logits(4, outputs, 10, 1.0).requires_grad_(), logits(4, outputs, 11, 1.0).requires_grad_()
    assert torch.autograd.gradcheck(value, (one, other))
    gradients = torch.autograd.grad(value(one, other).sum(), (one, other))
    assert all(float(gradient.abs().max()) > 0.01 for gradient in gradients)


def test_extreme_logits_are_finite() -> None:
    far = torch.tensor([[200.0], [-200.0], [0.0]], requires_grad=True)
    found = bernoulli_symmetric_kl(far, -far.detach())
    assert found.squeeze(1).tolist() == [400, 400, 0]
    classes = torch.tensor([[200.0, -200.0]], requires_grad=True)
    both = symmetric_kl(classes, -classes.detach())
    assert both.tolist() == [800]
    (found.sum() + both.sum()).backward()
    assert bool(far.grad.isfinite().all() & classes.grad.isfinite().all())  # type: ignore[union-attr]
