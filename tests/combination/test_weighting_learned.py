"""Uncertainty weighting, IMTL-L and GradNorm descend on what they say they descend on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from minbert.multitask.combination import Combination, Weigher
from minbert.multitask.combination.gradnorm import GradNorm, relative_rates, weight_gradient
from minbert.multitask.combination.imtl_l import log_weight_gradient
from minbert.multitask.combination.uncertainty import log_variance_gradient

NO_DRAWS = np.random.default_rng(0)


def _start(tasks: int, **recipe: object) -> Weigher:
    weigher = Combination.model_validate(recipe).start(tasks)
    assert isinstance(weigher, Weigher)
    return weigher


def _vectors(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _loss_sequence(steps: int, tasks: int = 3) -> Iterator[Tensor]:
    random = torch.Generator().manual_seed(8)
    for step in range(steps):
        yield torch.rand(tasks, generator=random, dtype=torch.float64) * _vectors(0.2, 1.5, 30.0) * 0.99**step


OBJECTIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "uncertainty": lambda s, losses: sum(torch.exp(-s[i]) * losses[i] + s[i] for i in range(len(s))),
    "imtl_l": lambda s, losses: sum(torch.exp(s[i]) * losses[i] - s[i] for i in range(len(s))),
}


@pytest.mark.parametrize(
    ("name", "derivative"), [("uncertainty", log_variance_gradient), ("imtl_l", log_weight_gradient)]
)
def test_closed_form_is_the_derivative_of_the_objective(
    name: str, derivative: Callable[[Tensor, Tensor], Tensor]
) -> None:
    s, losses = _vectors(-2.0, 0.0, 0.7, 5.0).requires_grad_(), _vectors(0.0, 1.3, 2000.0, 1e-7)
    (expected,) = torch.autograd.grad(OBJECTIVES[name](s, losses), s)
    torch.testing.assert_close(derivative(s.detach(), losses), expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize(("name", "sign"), [("uncertainty", -1), ("imtl_l", 1)])
def test_weights_are_adams_on_the_objective(name: str, sign: int) -> None:
    weigher = _start(3, name=name, learning_rate=0.02)
    s = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([s], lr=0.02)
    for losses in _loss_sequence(200):
        torch.testing.assert_close(weigher.weights(), (sign * s.detach()).exp(), rtol=1e-12, atol=0)
        weigher.update(losses, None, NO_DRAWS)
        adam.zero_grad()
        OBJECTIVES[name](s, losses).backward()
        adam.step()
    assert weigher.weights().std() > 0.5  # they went somewhere


@pytest.mark.parametrize("name", ["uncertainty", "imtl_l"])
def test_weights_settle_at_one_over_the_loss(name: str) -> None:
    weigher, losses = _start(3, name=name, learning_rate=0.01), _vectors(0.2, 1.0, 7.0)
    for _ in range(2000):
        weigher.update(losses, None, NO_DRAWS)
    torch.testing.assert_close(weigher.weights(), 1 / losses, rtol=1e-3, atol=0)


def test_uncertainty_is_imtl_l_with_the_sign_turned() -> None:
    one, other = _start(3, name="uncertainty"), _start(3, name="imtl_l")
    for losses in _loss_sequence(50):
        one.update(losses, None, NO_DRAWS)
        other.update(losses, None, NO_DRAWS)
        torch.testing.assert_close(one.weights(), other.weights(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["uncertainty", "imtl_l"])
def test_a_loss_at_zero_does_not_drive_its_weight_up_without_end(name: str) -> None:
    weigher = _start(2, name=name, learning_rate=1.0)
    for _ in range(50):
        weigher.update(_vectors(0.0, 0.5), None, NO_DRAWS)
    assert weigher.weights()[0].item() == pytest.approx(math.exp(10))


def test_gradnorm_closed_form_is_autograd_through_the_gradients_of_a_model() -> None:
    """``L_grad`` as the paper states it, differentiated by the weights only, with the target held constant."""
    torch.manual_seed(4)
    shared = nn.Linear(5, 4, dtype=torch.float64)
    heads = [nn.Linear(4, 1, dtype=torch.float64) for _ in range(3)]
    inputs = torch.randn(7, 5, dtype=torch.float64)
    losses = [(10.0**task * head(shared(inputs).tanh()) - 1).square().mean() for task, head in enumerate(heads)]
    weights = _vectors(0.5, 2.0, 0.5).requires_grad_()
    initial, alpha = [1.0, 20.0, 1e4], 1.5

    weighted_norms, norms = [], []
    for weight, loss in zip(weights, losses, strict=True):
        (gradient,) = torch.autograd.grad(weight * loss, shared.weight, create_graph=True)
        weighted_norms.append(gradient.norm())
        (gradient,) = torch.autograd.grad(loss, shared.weight, retain_graph=True)
        norms.append(gradient.norm())
    ratios = [loss.item() / first for loss, first in zip(losses, initial, strict=True)]
    rates = [ratio / (sum(ratios) / 3) for ratio in ratios]
    mean = sum(norm.item() for norm in weighted_norms) / 3
    objective = sum(abs(norm - mean * rate**alpha) for norm, rate in zip(weighted_norms, rates, strict=True))
    (expected,) = torch.autograd.grad(objective, weights)

    ours = relative_rates(torch.stack(losses).detach(), _vectors(*initial))
    torch.testing.assert_close(ours, _vectors(*rates), rtol=1e-13, atol=0)
    actual = weight_gradient(weights.detach(), torch.stack(norms), ours, alpha)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=0)
    assert len(set(expected.sign().tolist())) == 2  # both directions occur


def test_gradnorm_targets_give_the_slow_task_the_larger_gradient() -> None:
    """Loss ratios of [2, 1] and alpha 1: targets of [4/3, 2/3] times the mean norm, not the other way round."""
    rates = relative_rates(_vectors(4.0, 3.0), _vectors(2.0, 3.0))
    assert rates.tolist() == pytest.approx([4 / 3, 2 / 3], rel=1e-14)
    weigher = _start(2, name="gradnorm", alpha=1.0, learning_rate=0.001)
    weigher.update(_vectors(2.0, 3.0), _vectors(1.0, 1.0), NO_DRAWS)
    for _ in range(3000):
        weigher.update(_vectors(4.0, 3.0), _vectors(1.0, 1.0), NO_DRAWS)
    assert weigher.weights().tolist() == pytest.approx([4 / 3, 2 / 3], abs=0.01)


def test_gradnorm_evens_out_norms_where_alpha_is_zero() -> None:
    weigher, norms = _start(3, name="gradnorm", alpha=0.0, learning_rate=0.001), _vectors(1.0, 2.0, 4.0)
    for losses in _loss_sequence(4000):
        weigher.update(losses, norms, NO_DRAWS)
    weighted = weigher.weights() * norms
    torch.testing.assert_close(weighted, weighted.mean().expand(3), rtol=0.02, atol=0)


def test_gradnorm_weights_are_adams_then_scaled_to_add_up_to_the_tasks() -> None:
    weigher = _start(3, name="gradnorm", alpha=1.5, learning_rate=0.02)
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([w], lr=0.02)
    random = torch.Generator().manual_seed(2)
    first: list[float] = []
    for losses in _loss_sequence(100):
        norms = torch.rand(3, generator=random, dtype=torch.float64) * 3
        first = first or losses.tolist()
        ratios = [losses[i].item() / first[i] for i in range(3)]
        mean = sum(w[i].item() * norms[i].item() for i in range(3)) / 3
        targets = [mean * (ratio * 3 / sum(ratios)) ** 1.5 for ratio in ratios]
        adam.zero_grad()
        sum((w[i] * norms[i] - targets[i]).abs() for i in range(3)).backward()
        adam.step()
        with torch.no_grad():
            w.clamp_(min=1e-3).mul_(3 / w.sum())
        weigher.update(losses, norms, NO_DRAWS)
        torch.testing.assert_close(weigher.weights(), w.detach(), rtol=1e-9, atol=0)
        assert weigher.weights().sum().item() == pytest.approx(3, rel=1e-12)
    assert weigher.weights().std() > 0.1


def test_gradnorm_learns_nothing_until_it_knows_the_initial_losses() -> None:
    waiting, told = (_start(2, name="gradnorm", initial_steps=steps) for steps in (3, 1))
    norms = _vectors(1.0, 5.0)
    for losses in ([1.0, 10.0], [2.0, 40.0]):
        waiting.update(_vectors(*losses), norms, NO_DRAWS)
        assert waiting.weights().tolist() == [1, 1]
    waiting.update(_vectors(6.0, 10.0), norms, NO_DRAWS)
    assert waiting.weights().tolist() != [1, 1]
    assert waiting.state()["initial"].tolist() == pytest.approx([3, 20])
    told.update(_vectors(3.0, 20.0), norms, NO_DRAWS)
    assert told.state()["initial"].tolist() == [3, 20]


def test_gradnorm_keeps_a_weight_positive_that_a_step_would_take_below_zero() -> None:
    weigher = _start(2, name="gradnorm", learning_rate=1.5)
    weigher.update(_vectors(1.0, 1.0), _vectors(1.0, 100.0), NO_DRAWS)
    # Adam's first step is the learning rate: [1 + 1.5, 1 - 1.5], the second put back to 0.001.
    assert weigher.weights().tolist() == pytest.approx([2 * 2.5 / 2.501, 2 * 0.001 / 2.501], rel=1e-6)


def test_gradnorm_leaves_a_task_without_a_gradient_as_it_is() -> None:
    rates = relative_rates(_vectors(1.0, 1.0), _vectors(1.0, 1.0))
    assert weight_gradient(_vectors(1.0, 1.0), _vectors(0.0, 3.0), rates, 1.5).tolist() == [0, 3]
    assert weight_gradient(_vectors(1.0, 1.0), _vectors(0.0, 0.0), rates, 1.5).tolist() == [0, 0]


def test_gradnorm_knows_no_ratio_that_does_not_exist() -> None:
    assert relative_rates(_vectors(0.0, 0.0), _vectors(0.0, 0.0)).tolist() == [1, 1]
    assert relative_rates(_vectors(0.0, 2.0), _vectors(1.0, 2.0)).tolist() == pytest.approx([0, 2], abs=1e-7)
    assert relative_rates(_vectors(1e300, 1.0), _vectors(0.0, 1e300)).tolist() == pytest.approx([2, 0])


def test_gradnorm_must_be_given_norms() -> None:
    assert GradNorm().norm_layer == "last"
    with pytest.raises(ValueError, match="norms"):
        _start(2, name="gradnorm").update(_vectors(1.0, 1.0), None, NO_DRAWS)
