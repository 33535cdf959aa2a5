"""What tests of gradient surgery share: gradients of every awkward kind, and the weights a method gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from minbert.multitask.combination import Combination, Surgeon

Array = NDArray[np.float64]


def _random(tasks: int, size: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(tasks, size))


def _cancelling() -> Array:
    """Three gradients in a plane with ``g_0 + 2 g_1 + 0.5 g_2 = 0``: no direction serves all, nor any two alone."""
    first, second = _random(2, 6, 4)
    return np.stack([first, second, -2 * (first + 2 * second)])


MATRICES: dict[str, Array] = {
    "zero": np.zeros((3, 5)),
    "one task": _random(1, 5),
    "one zero": _random(4, 6) * np.array([[1], [0], [1], [1]]),
    "one of two zero": _random(2, 6) * np.array([[0], [1]]),
    "alike": np.tile(_random(1, 5), (3, 1)),
    "parallel": _random(1, 5) * np.array([[1.0], [3.0], [0.1]]),
    "opposed": _random(1, 5) * np.array([[1.0], [-1.0]]),
    "opposed, unequal": _random(1, 5) * np.array([[1.0], [-0.3]]),
    "orthogonal": np.diag([1.0, 2.0, 0.5]),
    "two": _random(2, 6, 1),
    "two in conflict": np.array([[1.0, 0.2, 0.0], [-0.6, 0.4, 0.3]]),
    "three in conflict": np.array([[1.0, 0.2, 0.0, 0.1], [-0.6, 0.9, 0.3, 0.0], [-0.3, -0.7, 0.8, 0.2]]),
    "four": _random(4, 9, 2),
    "cancelling": _cancelling(),
    "rank two of five": _random(5, 2, 3) @ _random(2, 7, 3),
    "huge": _random(3, 6, 5) * 1e6,
    "tiny": _random(3, 6, 5) * 1e-6,
    "huge squared": _random(3, 6, 5) * 1e12,
    "tiny squared": _random(3, 6, 5) * 1e-12,
    "far apart": _random(3, 6, 6) * np.array([[1e3], [1.0], [1e-3]]),
}

FULL_RANK = ["two", "two in conflict", "three in conflict", "four", "orthogonal", "huge", "tiny"]


def surgeon(name: str, tasks: int, **settings: Any) -> Surgeon:
    """Start a method for so many tasks."""
    started = Combination.model_validate({"name": name, **settings}).start(tasks)
    assert isinstance(started, Surgeon)
    return started


def weights_of(name: str, gradients: Array, seed: int = 0, losses: Array | None = None, **settings: Any) -> Array:
    """Return the weights (K,) that a method gives to gradients (K, D) at its first step."""
    tasks = len(gradients)
    values = torch.ones(tasks, dtype=torch.float64) if losses is None else torch.from_numpy(losses)
    gramian = torch.from_numpy(gradients @ gradients.T)
    weights = surgeon(name, tasks, **settings).weights(gramian, values, np.random.default_rng(seed))
    assert weights.shape == (tasks,)
    assert weights.dtype == torch.float64
    assert weights.device.type == "cpu"
    return weights.numpy()


def lengths(gradients: Array) -> Array:
    """Return the gradients' norms (K,)."""
    return np.asarray(np.linalg.norm(gradients, axis=1))


def same_direction(gradients: Array, first: Array, second: Array, tolerance: float = 1e-7) -> None:
    """Check that two weightings (K,) give the same vector, to ``tolerance`` of the longest gradient."""
    scale = lengths(gradients).max() or 1.0
    np.testing.assert_allclose(gradients.T @ first / scale, gradients.T @ second / scale, rtol=0, atol=tolerance)
