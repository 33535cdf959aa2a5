"""The moving average of weights against its closed formula; swapping and resuming lose nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from minbert.optim.ema import ExponentialMovingAverage


def _history(steps: int) -> Tensor:
    return torch.randn(steps, 4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def _set(parameter: Tensor, value: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(value)


def _average(ema: ExponentialMovingAverage, parameter: Tensor) -> Tensor:
    with ema.swap():
        return parameter.detach().clone()


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.9999])
def test_average_is_the_closed_formula_after_every_update(decay: float) -> None:
    history = _history(30)
    parameter = nn.Parameter(torch.full((4, 3), 1e6, dtype=torch.float64))  # what was before must not count
    ema = ExponentialMovingAverage([parameter], decay)
    for t in range(1, 31):
        _set(parameter, history[t - 1])
        ema.update()
        shares = [decay ** (t - k) for k in range(1, t + 1)]
        expected = sum(share * value for share, value in zip(shares, history, strict=False)) / sum(shares)
        torch.testing.assert_close(_average(ema, parameter), expected, rtol=1e-10, atol=1e-11)


def test_average_of_what_never_changes_is_that() -> None:
    parameter = nn.Parameter(torch.randn(5))
    ema = ExponentialMovingAverage([parameter], 0.99)
    before = parameter.detach().clone()
    assert torch.equal(_average(ema, parameter), before)
    for _ in range(10):
        ema.update()
    assert torch.equal(_average(ema, parameter), before)


def test_swap_puts_averages_into_the_same_parameters_and_takes_them_out_again() -> None:
    model = nn.Linear(3, 2)
    ema = ExponentialMovingAverage(model.parameters(), 0.5)
    inputs = torch.ones(1, 3)
    objects = [(id(parameter), parameter.data_ptr()) for parameter in model.parameters()]
    first = model(inputs).detach()
    ema.update()
    _set(model.weight, model.weight + 3)
    ema.update()  # the average: one third of the first, two thirds of the second
    second = model(inputs).detach()
    for _ in range(2):
        with ema.swap():
            torch.testing.assert_close(model(inputs), first / 3 + second * 2 / 3)
        assert torch.equal(model(inputs), second)
    assert [(id(parameter), parameter.data_ptr()) for parameter in model.parameters()] == objects
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_an_error_inside_the_block_still_swaps_back() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    ema = ExponentialMovingAverage([parameter], 0.5)
    _set(parameter, torch.ones(2))
    with pytest.raises(KeyboardInterrupt), ema.swap():
        assert parameter.tolist() == [0, 0]
        raise KeyboardInterrupt
    assert parameter.tolist() == [1, 1]
    with ema.swap():
        assert parameter.tolist() == [0, 0]


def test_averaging_leaves_training_alone() -> None:
    parameter = nn.Parameter(torch.randn(4))
    before = parameter.detach().clone()
    ema = ExponentialMovingAverage([parameter], 0.9)
    ema.update()
    _set(parameter, before * 2)
    assert torch.equal(_average(ema, parameter), before)
    assert torch.equal(parameter.detach(), before * 2)


def test_state_is_plain_tensors_and_resumes_exactly() -> None:
    history = _history(12)
    whole, resumed = nn.Parameter(history[0].clone()), nn.Parameter(history[0].clone())
    ema, first_half = ExponentialMovingAverage([whole], 0.9), ExponentialMovingAverage([resumed], 0.9)
    for value in history:
        _set(whole, value)
        ema.update()
    for value in history[:5]:
        _set(resumed, value)
        first_half.update()
    state = {name: tensor.clone() for name, tensor in first_half.state().items()}
    assert set(state) == {"average.0", "updates"}
    assert {type(tensor) for tensor in state.values()} == {Tensor}
    second_half = ExponentialMovingAverage([resumed], 0.9)
    second_half.restore(state)
    for value in history[5:]:
        _set(resumed, value)
        second_half.update()
    assert torch.equal(_average(second_half, resumed), _average(ema, whole))


@pytest.mark.parametrize("shapes", [[(2, 3)], [(3, 1)], [(3,)], [(3, 2), (3, 2)], []])
def test_state_of_other_parameters_is_refused(shapes: list[tuple[int, ...]]) -> None:
    state = ExponentialMovingAverage([torch.zeros(shape) for shape in shapes], 0.9).state()
    ema = ExponentialMovingAverage([torch.ones(3, 2)], 0.9)
    with pytest.raises(ValueError, match="belongs to other parameters"):
        ema.restore(state)


def test_nothing_is_averaged_or_stored_while_swapped() -> None:
    ema = ExponentialMovingAverage([nn.Parameter(torch.ones(2))], 0.9)
    state = ema.state()
    with ema.swap():
        for forbidden in (ema.update, ema.state, lambda: ema.restore(state), ema.swap().__enter__):
            with pytest.raises(RuntimeError, match="until the block"):
                forbidden()
    ema.update()


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_impossible_decay_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="decay must lie from 0 up to 1"):
        ExponentialMovingAverage([torch.ones(2)], decay)
