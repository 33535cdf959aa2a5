"""Gramians as float32 leaves them: gradients alike or opposed, products off by half a unit in the last place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from gradient_matrices import Array, lengths, surgeon
from scipy.optimize import nnls

from minbert.multitask.combination.gramian import NOISE


def weights_of(name: str, gramian: Array, **settings: float) -> Array:
    tasks = len(gramian)
    started = surgeon(name, tasks, **settings)
    losses = torch.ones(tasks, dtype=torch.float64)
    return started.weights(torch.from_numpy(gramian), losses, np.random.default_rng(0)).numpy()


def near_singular(distances: tuple[float, ...], draws: int = 12) -> Iterator[tuple[Array, Array]]:
    """Yield gradients, two of them alike or opposed but for a distance, and their Gramian with noise."""
    random = np.random.default_rng(5)
    for tasks in range(2, 9):
        for draw in range(draws):
            size = (2, 3, 40)[draw % 3]
            gradients = random.normal(size=(tasks, size))
            apart = random.normal(size=size)
            apart *= distances[draw % len(distances)] * lengths(gradients)[0] / np.linalg.norm(apart)
            sign, length = random.choice([1.0, -1.0]), random.choice([1.0, 0.7, 3.0])
            gradients[1] = sign * length * (gradients[0] + apart)
            noise = np.triu(random.uniform(-NOISE, NOISE, size=(tasks, tasks)))
            noise += np.triu(noise, 1).T
            norms = lengths(gradients)
            yield gradients, gradients @ gradients.T + noise * norms[:, None] * norms


def test_cagrad_where_two_gradients_are_nearly_alike() -> None:
    gramian = np.array([[1, -0.7, -0.7], [-0.7, 0.49, 0.49 - 3e-8], [-0.7, 0.49 - 3e-8, 0.49]])
    assert weights_of("cagrad", gramian) == pytest.approx([1.16, 1, 1], rel=1e-6)


def test_upgrad_where_two_gradients_oppose() -> None:
    gramian = np.array([[1, -1, 0.5], [-1, 1, -0.5 - 3e-8], [0.5, -0.5 - 3e-8, 1]])
    assert weights_of("upgrad", gramian) == pytest.approx([2, 2.5, 1], rel=1e-6)


def one_line(gradients: Array) -> Array:
    """Return the gradients with the first two exactly alike or opposed."""
    exact = gradients.copy()
    exact[1] = exact[0] * np.sign(gradients[0] @ gradients[1]) * lengths(gradients)[1] / lengths(gradients)[0]
    return exact


def knowable(weights: Array, gradients: Array) -> float:
    """Return how far from each other directions may lie that noise cannot tell apart: as much as noise adds to one."""
    return 4 * float(np.sqrt(NOISE) * np.abs(weights) @ lengths(gradients))


@pytest.mark.parametrize("name", ["upgrad", "mgda", "gradvac", "pcgrad", "aligned_mtl", "imtl_g", "cagrad"])
def test_what_is_one_line_but_for_noise_gets_the_direction_of_one_line(name: str) -> None:
    for gradients, gramian in near_singular((0.0, 1e-8)):
        exact = one_line(gradients)
        weights, expected = weights_of(name, gramian), weights_of(name, exact @ exact.T)
        assert np.linalg.norm(exact.T @ (weights - expected)) <= knowable(expected, exact)


def test_upgrad_is_the_sum_of_projections_of_the_exact_gradients() -> None:
    for gradients, gramian in near_singular((1e-2, 1e-6, 1e-8)):
        weights, errors = weights_of("upgrad", gramian), []
        for exact in (gradients, one_line(gradients)):
            units = (exact / lengths(exact)[:, None]).T
            expected = sum(g + units @ nnls(units, -g)[0] for g in exact)
            errors.append(float(np.linalg.norm(exact.T @ weights - expected)))
        assert min(errors) <= knowable(weights, gradients)


def test_weights_stay_such_that_the_direction_can_be_known() -> None:
    """Noise adds up to ``NOISE (sum |w_i g_i|)^2`` to a direction's squared length."""
    for gradients, gramian in near_singular((1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8)):
        for name in ("upgrad", "cagrad"):
            weights = weights_of(name, gramian)
            assert (weights >= 1 - 1e-12).all()
            assert np.sqrt(NOISE) * (weights @ lengths(gradients)) <= 10 * len(weights) * lengths(gradients).max()


@pytest.mark.parametrize("distance", [1e-2, 1e-3])
def test_bargains_are_exact_near_singular(distance: float) -> None:
    for gradients, _ in near_singular((distance,), 3):
        if gradients.shape[1] < len(gradients):
            continue  # these may cancel: then there is no answer
        gramian = gradients @ gradients.T
        gramian /= np.linalg.norm(gramian)
        for name, power in (("nash_mtl", 1.0), ("fairgrad", 0.5)):
            weights = weights_of(name, gramian)
            assert gramian @ weights == pytest.approx(weights**-power, rel=1e-4)


@pytest.mark.parametrize("distance", [1e-2, 1e-3, 3e-4])
@pytest.mark.parametrize(("name", "power"), [("nash_mtl", 1.0), ("fairgrad", 0.5), ("fairgrad", 0.1)])
def test_bargains_of_two_nearly_opposed_grow_as_said(name: str, power: float, distance: float) -> None:
    """Two gradients of length 1 have equal weights ``w`` with ``(1 - cosine) / |G| w = w^-power``."""
    least = distance**2 / 2
    gramian = np.array([[1.0, least - 1], [least - 1, 1.0]])
    weights = weights_of(name, gramian, **({} if name == "nash_mtl" else {"alpha": 1 / power}))
    expected = (np.linalg.norm(gramian) / least) ** (1 / (1 + power))
    assert weights == pytest.approx([expected, expected], rel=1e-6)


@pytest.mark.parametrize(("name", "power"), [("nash_mtl", 1.0), ("fairgrad", 0.5), ("fairgrad", 0.1)])
def test_bargains_stay_within_what_their_docstrings_say(name: str, power: float) -> None:
    settings = {} if name == "nash_mtl" else {"alpha": 1 / power}
    for gradients, noisy in near_singular((1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8), 14):
        sizes = lengths(gradients) ** ((power - 1) / (power + 1))
        for gramian in (gradients @ gradients.T, noisy):
            alone = lengths(gradients) ** (-2 / (1 + power)) * np.linalg.norm(gramian) ** (1 / (1 + power))
            units = weights_of(name, gramian, **settings) / alone
            assert np.linalg.norm(sizes * units) <= 1.001e8 ** (1 / (1 + power)) * np.linalg.norm(sizes)


def test_bargains_of_gradients_nearly_alike_are_those_of_the_same() -> None:
    for distance in (1e-4, 1e-6, 1e-8):
        for name in ("nash_mtl", "fairgrad"):
            gramian = np.array([[1.0, 1 - distance**2 / 2], [1 - distance**2 / 2, 1.0]])
            assert weights_of(name, gramian) == pytest.approx([1, 1], rel=1e-6)
