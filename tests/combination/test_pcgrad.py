from __future__ import annotations

import numpy as np
import pytest
import torch
from gradient_matrices import MATRICES, Array, same_direction, weights_of

from laws import each


def on_vectors(gradients: Array, random: np.random.Generator) -> Array:
    """Algorithm 1 of Yu et al. 2020, on the vectors themselves."""
    projected = []
    for i in range(len(gradients)):
        g = gradients[i].copy()
        for j in random.permutation(len(gradients)):
            if j != i and g @ gradients[j] < 0:
                g = g - (g @ gradients[j]) / (gradients[j] @ gradients[j]) * gradients[j]
        projected.append(g)
    return np.sum(projected, axis=0)


@pytest.mark.parametrize("seed", range(20))
def test_pcgrad_is_its_algorithm_on_the_vectors(seed: int) -> None:
    random = np.random.default_rng(seed)
    gradients = random.normal(size=(int(random.integers(2, 7)), 4))
    weights = weights_of("pcgrad", gradients, seed=seed)
    assert gradients.T @ weights == pytest.approx(on_vectors(gradients, np.random.default_rng(seed)), abs=1e-12)


def test_the_directions_are_summed_not_averaged() -> None:
    first, second = np.array([2.0, 0.0]), np.array([-1.0, 1.0])
    direction = np.stack([first, second]).T @ weights_of("pcgrad", np.stack([first, second]))
    assert direction == pytest.approx(np.array([1.0, 1.0]) + np.array([0.0, 1.0]))


def test_the_division_is_exact_so_no_conflict_remains() -> None:
    gradients = MATRICES["two in conflict"] * 1e-5
    own = weights_of("pcgrad", gradients) - np.array([1.0, 1.0])
    for i, j in ((0, 1), (1, 0)):
        projected = gradients[i] + own[j] * gradients[j]
        assert abs(projected @ gradients[j]) < 1e-15 * (gradients[j] @ gradients[j])


def test_a_gradient_is_never_projected_off_itself() -> None:
    """After a projection ``p . g_i`` can be negative; with ``i`` among the ``j`` the third task would change here."""
    changed = 0
    for seed in range(300):
        gradients = np.random.default_rng(seed).normal(size=(3, 2))
        expected = on_vectors(gradients, np.random.default_rng(seed))
        assert gradients.T @ weights_of("pcgrad", gradients, seed=seed) == pytest.approx(expected, abs=1e-10)
        self_included = []
        random = np.random.default_rng(seed)
        for i in range(3):
            g = gradients[i].copy()
            for j in random.permutation(3):
                g = g - min(g @ gradients[j], 0) / (gradients[j] @ gradients[j]) * gradients[j]
            self_included.append(g)
        changed += not np.allclose(np.sum(self_included, axis=0), expected)
    assert changed > 0, "the cases must be able to tell"


def test_each_task_draws_its_own_order() -> None:
    """Each of three gradients has two orders of the others that differ: 8 outcomes; one order a step would have 6."""
    gradients = MATRICES["cancelling"] + 0.3 * np.random.default_rng(0).normal(size=(3, 6))
    for i in range(3):
        assert not np.allclose(_own(gradients, i, (0, 1, 2)), _own(gradients, i, (2, 1, 0)))
    outcomes = {tuple(np.round(weights_of("pcgrad", gradients, seed=seed), 9)) for seed in range(200)}
    assert len(outcomes) == 8


def _own(gradients: Array, i: int, order: tuple[int, ...]) -> Array:
    g = gradients[i].copy()
    for j in order:
        if j != i and g @ gradients[j] < 0:
            g = g - (g @ gradients[j]) / (gradients[j] @ gradients[j]) * gradients[j]
    return g


@each("matrix", ["two", "two in conflict", "opposed", "opposed, unequal", "one of two zero"])
def test_for_two_tasks_pcgrad_is_upgrad(matrix: str) -> None:
    gradients = MATRICES[matrix]
    same_direction(gradients, weights_of("pcgrad", gradients), weights_of("upgrad", gradients))


@each("matrix", ["two in conflict", "three in conflict", "four", "rank two of five", "huge", "tiny"])
def test_pcgrad_is_torchjds_with_the_same_orders(matrix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchjd.aggregation import PCGradWeighting

    gradients, random = MATRICES[matrix], np.random.default_rng(11)
    monkeypatch.setattr(torch, "randperm", lambda count: torch.from_numpy(random.permutation(count)))
    theirs = PCGradWeighting()(torch.from_numpy(gradients @ gradients.T)).numpy()
    assert weights_of("pcgrad", gradients, seed=11) == pytest.approx(theirs, rel=1e-9)
