from __future__ import annotations

import numpy as np
import pytest
import torch
from gradient_matrices import MATRICES, Array, surgeon, weights_of

from laws import each


def cosine(first: Array, second: Array) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def on_vectors(gradients: Array, targets: Array, beta: float, random: np.random.Generator) -> Array:
    """Algorithm 1 of Wang et al. 2021, on the vectors themselves; changes the targets."""
    turned = []
    for i in range(len(gradients)):
        g = gradients[i].copy()
        for j in random.permutation(len(gradients)):
            if j == i:
                continue
            phi, target = cosine(g, gradients[j]), targets[i, j]
            if phi < target:
                up = np.linalg.norm(g) * (target * np.sqrt(1 - phi**2) - phi * np.sqrt(1 - target**2))
                g = g + up / (np.linalg.norm(gradients[j]) * np.sqrt(1 - target**2)) * gradients[j]
                assert cosine(g, gradients[j]) == pytest.approx(target, abs=1e-7)
            targets[i, j] = (1 - beta) * targets[i, j] + beta * phi
        turned.append(g)
    return np.sum(turned, axis=0)


@pytest.mark.parametrize("beta", [0.01, 0.5, 1.0])
@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_gradvac_is_its_algorithm_on_the_vectors_over_many_steps(tasks: int, beta: float) -> None:
    random, targets = np.random.default_rng(tasks), np.zeros((tasks, tasks))
    ours = surgeon("gradvac", tasks, beta=beta)
    shared = random.normal(size=8)
    for step in range(12):
        gradients = random.normal(size=(tasks, 8)) + shared
        expected = on_vectors(gradients, targets, beta, np.random.default_rng(step))
        weights = ours.weights(
            torch.from_numpy(gradients @ gradients.T), torch.ones(tasks), np.random.default_rng(step)
        )
        assert gradients.T @ weights.numpy() == pytest.approx(expected, abs=1e-9)
        assert ours.state()["targets"].numpy() == pytest.approx(targets, abs=1e-12)


@each("matrix", ["two in conflict", "three in conflict", "four", "rank two of five", "one zero"])
def test_the_first_step_is_pcgrad(matrix: str) -> None:
    gradients = MATRICES[matrix]
    assert weights_of("gradvac", gradients, seed=5) == pytest.approx(weights_of("pcgrad", gradients, seed=5))


def test_targets_of_one_and_then_a_conflict_stay_finite() -> None:
    ours, losses, random = surgeon("gradvac", 2, beta=1.0), torch.ones(2), np.random.default_rng(0)
    alike, opposed = (
        torch.ones(2, 2, dtype=torch.float64),
        torch.tensor([[1.0, -0.5], [-0.5, 1.0]], dtype=torch.float64),
    )
    assert ours.weights(alike, losses, random).tolist() == pytest.approx([1, 1])
    assert ours.state()["targets"][0, 1] == 1
    weights = ours.weights(opposed, losses, random)
    assert torch.isfinite(weights).all()
    assert weights.max() < 1e4


def test_a_gradient_of_zero_teaches_no_target() -> None:
    ours, losses, random = surgeon("gradvac", 2, beta=0.5), torch.ones(2), np.random.default_rng(0)
    ours.weights(torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64), losses, random)
    learned = ours.state()["targets"]
    ours.weights(torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64), losses, random)
    assert torch.equal(ours.state()["targets"], learned)
    assert learned[0, 1] == pytest.approx(0.4)


def test_gradvac_is_torchjds_with_the_same_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchjd.aggregation import GradVacWeighting

    tasks, steps, random = 4, 10, np.random.default_rng(2)
    matrices = [random.normal(size=(tasks, 6)) + 0.5 for _ in range(steps)]
    ours, theirs = surgeon("gradvac", tasks, beta=0.3), GradVacWeighting(beta=0.3, eps=0.0)
    for step, gradients in enumerate(matrices):
        orders, calls = np.random.default_rng(step), iter(range(tasks))

        def randperm(count: int, orders: np.random.Generator = orders, calls: object = calls) -> torch.Tensor:
            own = next(calls)  # type: ignore[call-overload]
            others = [other for other in range(count + 1) if other != own]
            return torch.tensor([others.index(j) for j in orders.permutation(count + 1) if j != own])

        monkeypatch.setattr(torch, "randperm", randperm)
        gramian = torch.from_numpy(gradients @ gradients.T)
        expected = theirs(gramian).numpy()
        weights = ours.weights(gramian, torch.ones(tasks), np.random.default_rng(step))
        assert weights.numpy() == pytest.approx(expected, rel=1e-9)
