"""DWA, random weights and FAMO against their formulas, written out task by task."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from minbert.multitask.combination import Combination, Weigher
from minbert.multitask.combination.famo import logit_gradient

NO_DRAWS = np.random.default_rng(0)


def _start(tasks: int, **recipe: object) -> Weigher:
    weigher = Combination.model_validate(recipe).start(tasks)
    assert isinstance(weigher, Weigher)
    return weigher


def _losses(steps: int, tasks: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(6)
    return 0.1 + torch.rand(steps, tasks, generator=random, dtype=torch.float64)


def _softmax(logits: list[float]) -> list[float]:
    total = sum(math.exp(logit) for logit in logits)
    return [math.exp(logit) / total for logit in logits]


@pytest.mark.parametrize("window", [1, 4])
def test_dwa_is_its_formula_over_windows(window: int) -> None:
    weigher, temperature = _start(3, name="dwa", window=window, temperature=0.7), 0.7
    losses = _losses(6 * window + 1)
    for step, now in enumerate(losses):
        n = step // window  # the window this step is in, from 0
        if n < 2:
            expected = [1.0, 1.0, 1.0]
        else:
            means = [[losses[w * window : (w + 1) * window, i].mean().item() for i in range(3)] for w in (n - 1, n - 2)]
            ratios = [last / before for last, before in zip(*means, strict=True)]
            expected = [3 * share for share in _softmax([ratio / temperature for ratio in ratios])]
        assert weigher.weights().tolist() == pytest.approx(expected, rel=1e-12)
        weigher.update(now, None, NO_DRAWS)


def test_dwa_favours_the_loss_that_has_fallen_less() -> None:
    weigher = _start(2, name="dwa", window=1)
    for losses in ([10.0, 1.0], [5.0, 0.9]):
        weigher.update(torch.tensor(losses, dtype=torch.float64), None, NO_DRAWS)
    expected = [2 * share for share in _softmax([0.5 / 2, 0.9 / 2])]
    assert weigher.weights().tolist() == pytest.approx(expected, rel=1e-12)
    assert expected[1] > 1


def test_random_weights_are_softmaxes_of_the_generators_normals() -> None:
    weigher = _start(4, name="random")
    assert weigher.weights().tolist() == [1, 1, 1, 1]
    for seed in range(5):
        weigher.update(_losses(1, 4)[0], None, np.random.default_rng(seed))
        expected = [4 * share for share in _softmax(np.random.default_rng(seed).standard_normal(4).tolist())]
        assert weigher.weights().tolist() == pytest.approx(expected, rel=1e-12)


def test_random_weights_are_one_on_average_and_favour_no_task() -> None:
    weigher, generator, steps = _start(3, name="random"), np.random.default_rng(1), 4000
    total = torch.zeros(3, dtype=torch.float64)
    for _ in range(steps):
        weigher.update(torch.ones(3, dtype=torch.float64), None, generator)
        total += weigher.weights()
    assert (total / steps).tolist() == pytest.approx([1, 1, 1], abs=0.05)


def test_famo_closed_form_is_autograd_through_the_softmax() -> None:
    logits = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    falls = torch.tensor([0.5, -0.2, 3.0], dtype=torch.float64)
    (expected,) = torch.autograd.grad(logits.softmax(0) @ falls, logits)
    torch.testing.assert_close(logit_gradient(logits.detach(), falls), expected, rtol=1e-12, atol=1e-15)


def test_famo_is_its_algorithm_with_the_next_steps_losses_for_the_same_batchs() -> None:
    weigher = _start(3, name="famo", learning_rate=0.05, gamma=0.1)
    xi = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([xi], lr=0.05, weight_decay=0.1)  # the authors' form of gamma
    before: list[float] = []
    rates = torch.tensor([0.9, 0.97, 0.99], dtype=torch.float64)
    for step, noise in enumerate(_losses(100)):
        losses = noise * rates**step
        if before:
            shares = _softmax(xi.tolist())
            scale = 1 / sum(share / loss for share, loss in zip(shares, before, strict=True))
            expected = [3 * scale * share / loss for share, loss in zip(shares, before, strict=True)]
        else:
            expected = [1.0, 1.0, 1.0]
        assert weigher.weights().tolist() == pytest.approx(expected, rel=1e-9)
        if before:
            falls = [math.log(b / a) for b, a in zip(before, losses.tolist(), strict=True)]
            adam.zero_grad()
            (xi.softmax(0) @ torch.tensor(falls, dtype=torch.float64)).backward()
            adam.step()
        weigher.update(losses, None, NO_DRAWS)
        before = losses.tolist()
    assert xi.std() > 0.05


def test_famo_takes_weight_from_the_log_loss_that_falls_faster() -> None:
    weigher = _start(2, name="famo")
    for step in range(30):
        weigher.update(torch.tensor([0.9**step, 0.99**step], dtype=torch.float64), None, NO_DRAWS)
    shares = weigher.weights() * torch.tensor([0.9**29, 0.99**29], dtype=torch.float64)
    assert shares[1] > 1.5 * shares[0]
