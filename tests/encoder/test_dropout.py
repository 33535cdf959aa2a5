from __future__ import annotations

import pytest
import torch

from minbert.encoder.dropout import dropout


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.001, 0.9])
def test_drops_with_the_probability_and_keeps_the_expectation(probability: float) -> None:
    torch.manual_seed(0)
    size = 1_000_003  # no multiple of the four numbers in a word
    dropped = dropout(torch.ones(size), probability, training=True)
    zeros = (dropped == 0).double().mean().item()
    deviation = (probability * (1 - probability) / size) ** 0.5
    assert abs(zeros - probability) < 5 * deviation + 2**-17
    kept = dropped[dropped != 0]
    assert kept.unique().numel() == 1
    assert kept[0].item() == pytest.approx(1 / (1 - probability), rel=2e-4)


def test_places_are_independent() -> None:
    torch.manual_seed(0)
    probability, size = 0.1, 1_000_000
    zeros = (dropout(torch.ones(size), probability, training=True) == 0).double() - probability
    variance = probability * (1 - probability)
    for distance in (1, 2, 3, 4, 5, 8, 64, 384):
        correlation = (zeros[distance:] * zeros[:-distance]).mean().item() / variance
        assert abs(correlation) < 5 / size**0.5, distance


def test_the_same_generator_state_repeats_the_mask_and_the_next_call_does_not() -> None:
    values = torch.randn(40, 30)
    state = torch.get_rng_state()
    first, second = (dropout(values, 0.3, training=True) for _ in range(2))
    torch.set_rng_state(state)
    again = dropout(values, 0.3, training=True)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_the_gradient_wears_the_same_mask() -> None:
    values = torch.ones(50, 7, requires_grad=True)
    dropped = dropout(values, 0.4, training=True)
    dropped.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, dropped.detach())


def test_nothing_happens_outside_training_or_at_zero() -> None:
    values = torch.randn(3, 4)
    state = torch.get_rng_state()
    assert dropout(values, 0.5, training=False) is values
    assert dropout(values, 0.0, training=True) is values
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (5, 0, 2), (3, 5, 2)])
def test_any_shape_and_precision(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    dropped = dropout(torch.ones(shape, dtype=dtype), 0.5, training=True)
    assert dropped.shape == shape
    assert dropped.dtype == dtype
    assert ((dropped == 0) | (dropped == 2)).all()


def test_the_highest_probabilities_stay_finite() -> None:
    assert dropout(torch.ones(1000), 1 - 1e-9, training=True).isfinite().all()
