"""Calibration against its formula, and temperatures against simulations where the true one is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from minbert.evaluation.calibration import (
    TEMPERATURES,
    at_temperature,
    error_by_chance,
    fit_temperature,
    log_loss,
    reliability,
    scale_across_halves,
)
from minbert.randomness import generator


def simulated(rows: int, classes: int, temperature: float, seed: int = 0) -> tuple[NDArray, NDArray, NDArray]:  # type: ignore[type-arg]
    """Return logits, the probabilities a model with these logits tells, and labels drawn at ``temperature``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (rows, classes))
    told = torch.softmax(torch.from_numpy(logits), -1).numpy()
    true = torch.softmax(torch.from_numpy(logits) / temperature, -1).numpy()
    labels = (rng.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1).astype(np.float64)
    return logits, told, labels


@pytest.mark.parametrize("classes", [2, 5])
def test_log_loss_is_cross_entropy(classes: int) -> None:
    logits, told, labels = simulated(300, classes, 2.0)
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels).long())
    assert log_loss(told, labels) == pytest.approx(expected.item(), rel=1e-9)


def test_log_loss_of_the_impossible_is_finite_and_of_nothing_refused() -> None:
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1.0])) == pytest.approx(53 * np.log(2))
    with pytest.raises(ValueError, match="at least one"):
        log_loss(np.empty((0, 2)), np.empty(0))
    with pytest.raises(ValueError, match="as many"):
        log_loss(np.full((3, 2), 0.5), np.zeros(2))


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_error_is_the_formula(bins: int) -> None:
    rng = np.random.default_rng(bins)
    confidence = np.concatenate([rng.uniform(0, 1, 500), [0.0, 1.0, 1 / 15, 0.2, 0.1]])
    right = rng.random(505) < confidence**2
    expected = 0.0
    for number in range(1, bins + 1):  # equations 2 and 3 of Guo et al., bins ((m - 1) / M, m / M]
        inside = (confidence > (number - 1) / bins) & (confidence <= number / bins)
        if number == 1:
            inside |= confidence == 0
        if inside.any():
            expected += inside.sum() / 505 * abs(right[inside].mean() - confidence[inside].mean())
    found = reliability(confidence, right, bins)
    assert found.error == pytest.approx(expected, abs=1e-12)
    assert found.counts.sum() == 505


def test_empty_bins_have_no_numbers() -> None:
    found = reliability(np.array([0.95, 0.91]), np.array([True, False]), 10)
    np.testing.assert_array_equal(found.counts, [0] * 9 + [2])
    assert np.isnan(found.accuracy[:9]).all() and found.accuracy[9] == 0.5 and found.error == pytest.approx(0.43)
    with pytest.raises(ValueError, match="at least one"):
        reliability(np.array([]), np.array([], dtype=bool))


@pytest.mark.parametrize("classes", [2, 5])
def test_scaled_probabilities_are_those_of_scaled_logits(classes: int) -> None:
    logits, told, _ = simulated(50, classes, 1.0)
    for temperature in (0.3, 1.0, 7.0):
        expected = torch.softmax(torch.from_numpy(logits) / temperature, -1).numpy()
        np.testing.assert_allclose(at_temperature(told, temperature), expected, rtol=1e-9)


def test_probabilities_of_nought_and_one() -> None:
    certain = np.array([[0.0, 1.0], [1.0, 0.0]])
    scaled = at_temperature(certain, 2.0)
    assert np.isfinite(scaled).all() and (scaled > 0).all()
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    np.testing.assert_array_equal(scaled.argmax(axis=1), [1, 0])
    assert np.isfinite(at_temperature(np.array([[0.0, 0.0, 1.0]]), 2.0)).all()


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_true_temperature_is_found(classes: int, temperature: float) -> None:
    _, told, labels = simulated(20_000, classes, temperature)
    assert fit_temperature(told, labels) == pytest.approx(temperature, rel=0.04)
    scaled, both = scale_across_halves(told, labels)
    assert both == pytest.approx((temperature, temperature), rel=0.06)
    right = told.argmax(axis=1) == labels
    if temperature != 1:
        assert reliability(told.max(axis=1), right).error > 0.05
    assert reliability(scaled.max(axis=1), right).error < 0.02
    np.testing.assert_array_equal(scaled.argmax(axis=1), told.argmax(axis=1))


def test_the_fit_is_the_least_loss() -> None:
    _, told, labels = simulated(300, 4, 1.7)
    fitted = fit_temperature(told, labels)

    def loss(temperature: float) -> float:
        logits = torch.from_numpy(np.log(told) / temperature)
        return float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels).long()))

    assert all(loss(fitted) < loss(other) for other in (0.97 * fitted, 1.03 * fitted, 0.3, 1.0, 5.0))


def test_temperatures_have_ends() -> None:
    told = np.tile([0.7, 0.3], (20, 1))
    assert TEMPERATURES[0] <= fit_temperature(told, np.zeros(20)) < 0.03, "the likeliest one is 0"
    assert fit_temperature(told, np.ones(20)) == pytest.approx(TEMPERATURES[1], rel=1e-3)
    with pytest.raises(ValueError, match="no rows"):
        fit_temperature(told[:0], np.zeros(0))


def test_no_row_has_a_part_in_its_own_temperature() -> None:
    _, told, labels = simulated(200, 3, 2.0)
    scaled, (first, second) = scale_across_halves(told, labels)
    used = np.array(
        [np.isclose(at_temperature(told[[row]], first), scaled[[row]], rtol=1e-12).all() for row in range(200)]
    )
    assert used.sum() == 100, "one half has the one temperature, the other half the other"
    assert fit_temperature(told[~used], labels[~used]) == pytest.approx(first, rel=1e-9)
    assert fit_temperature(told[used], labels[used]) == pytest.approx(second, rel=1e-9)
    changed = labels.copy()
    changed[used] = (changed[used] + 1) % 3  # what the one half's labels say does not change its own probabilities
    np.testing.assert_array_equal(scale_across_halves(told, changed)[0][used], scaled[used])
    with pytest.raises(ValueError, match="two rows"):
        scale_across_halves(told[:1], labels[:1])


@pytest.mark.parametrize("rows", [1, 3, 100, 1500])
def test_error_by_chance_is_that_of_a_plain_loop(rows: int) -> None:
    confidence = np.random.default_rng(rows).uniform(0.2, 1, rows)
    random = generator(0, "calibration error by chance")
    errors = [reliability(confidence, random.random(rows) < confidence).error for _ in range(1000)]
    assert error_by_chance(confidence) == pytest.approx(np.mean(errors), rel=1e-12)


def test_error_by_chance_is_that_of_true_confidences() -> None:
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0.3, 1, 150)
    by_chance = error_by_chance(confidence)
    assert by_chance == error_by_chance(confidence)
    seen = [reliability(confidence, rng.random(150) < confidence).error for _ in range(400)]
    assert by_chance == pytest.approx(np.mean(seen), abs=4 * np.std(seen) / 20)
    assert error_by_chance(np.tile(confidence, 20)) < by_chance / 3
    assert error_by_chance(np.ones(10)) == 0
