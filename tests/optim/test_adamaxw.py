"""AdamaxW against its formula number by number, and against torch's Adamax where nothing decays."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minbert.optim.adamaxw import AdamaxW

SHAPES = [(7, 5), (5,), (), (3, 2, 4), (1, 1)]


def _parameters(dtype: torch.dtype) -> list[Tensor]:
    random = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(shape, generator=random, dtype=dtype)) for shape in SHAPES]


def _groups(parameters: list[Tensor], weight_decay: float) -> list[dict[str, Any]]:
    return [
        {"params": parameters[:2], "lr": 3e-2, "weight_decay": weight_decay},
        {"params": parameters[2:4], "lr": 1e-3, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": weight_decay},
        {"params": parameters[4:], "weight_decay": 0.0},
    ]


def _set_gradients(parameters: list[Tensor], step: int) -> None:
    """Give gradients of very different sizes; every parameter goes without one in some steps."""
    random = torch.Generator().manual_seed(step)
    for index, parameter in enumerate(parameters):
        gradient = torch.randn(parameter.shape, generator=random, dtype=parameter.dtype) * 10.0 ** (step % 7 - 4)
        parameter.grad = None if (step + index) % 3 == 0 else gradient


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_a_hundred_steps_without_decay_equal_torchs_adamax(dtype: torch.dtype, tolerance: float) -> None:
    ours, theirs = _parameters(dtype), _parameters(dtype)
    optimizer = AdamaxW(_groups(ours, 0.0))
    reference = torch.optim.Adamax(_groups(theirs, 0.0), lr=1e-3, foreach=False)
    for step in range(100):
        if step == 50:  # as a schedule does
            for group in (*optimizer.param_groups, *reference.param_groups):
                group["lr"] *= 0.3
        _set_gradients(ours, step)
        _set_gradients(theirs, step)
        optimizer.step()
        reference.step()
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=tolerance, atol=tolerance)
        for key in ("step", "exp_avg", "exp_inf"):
            torch.testing.assert_close(
                optimizer.state[our][key], reference.state[their][key], rtol=tolerance, atol=tolerance
            )


def test_fifty_decayed_steps_equal_the_formula_number_by_number() -> None:
    lr, beta1, beta2, eps, decay = 0.02, 0.8, 0.9, 1e-3, 0.3
    values = [2.0, -3.0, 0.5]
    parameter = nn.Parameter(torch.tensor(values, dtype=torch.float64))
    optimizer = AdamaxW([parameter], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=decay)
    first, infinity = [0.0] * 3, [0.0] * 3
    random = torch.Generator().manual_seed(5)
    for step in range(1, 51):
        gradient = torch.randn(3, generator=random, dtype=torch.float64) * torch.tensor([1.0, 1e-4, float(step % 5)])
        parameter.grad = gradient.clone()
        optimizer.step()
        for i, g in enumerate(gradient.tolist()):
            first[i] = beta1 * first[i] + (1 - beta1) * g
            infinity[i] = max(beta2 * infinity[i], abs(g) + eps)
            values[i] -= lr * decay * values[i] + lr / (1 - beta1**step) * first[i] / infinity[i]
        assert parameter.tolist() == pytest.approx(values, rel=1e-12)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_first_step_by_hand(weight_decay: float) -> None:
    """After one step the corrected mean is the gradient, and the maximum its size: the step is its sign."""
    parameter = nn.Parameter(torch.tensor([2.0, -3.0], dtype=torch.float64))
    parameter.grad = torch.tensor([0.5, -4.0], dtype=torch.float64)
    AdamaxW([parameter], lr=0.01, eps=0.0, weight_decay=weight_decay).step()
    expected = [2 * (1 - 0.01 * weight_decay) - 0.01, -3 * (1 - 0.01 * weight_decay) + 0.01]
    assert parameter.tolist() == pytest.approx(expected, rel=1e-12)


def test_decay_does_not_pass_through_the_moments() -> None:
    decayed, plain = (nn.Parameter(torch.ones(3, dtype=torch.float64)) for _ in range(2))
    optimizers = [AdamaxW([decayed], weight_decay=0.5), AdamaxW([plain], weight_decay=0.0)]
    for step in range(3):
        for optimizer, parameter in zip(optimizers, (decayed, plain), strict=True):
            parameter.grad = torch.full((3,), float(step + 1), dtype=torch.float64)
            optimizer.step()
    for key in ("exp_avg", "exp_inf"):
        assert torch.equal(optimizers[0].state[decayed][key], optimizers[1].state[plain][key])
    assert (decayed < plain).all()


def test_weight_that_never_had_a_gradient_only_decays() -> None:
    parameter = nn.Parameter(torch.tensor([1.0, 1.0]))
    parameter.grad = torch.tensor([0.0, 1.0])
    AdamaxW([parameter], lr=0.1, weight_decay=0.5).step()
    assert parameter[0].item() == pytest.approx(0.95)


def test_parameter_without_gradient_is_left_alone() -> None:
    parameter, other = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = AdamaxW([parameter, other], weight_decay=0.5)
    other.grad = torch.ones(3)
    optimizer.step()
    assert torch.equal(parameter, torch.ones(3))
    assert parameter not in optimizer.state


def test_memory_layout_changes_nothing() -> None:
    values, gradient = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1)).double()
    plain, strided = nn.Parameter(values.clone()), nn.Parameter(values.t().contiguous().t())
    plain.grad, strided.grad = gradient, gradient.t().contiguous().t()
    for parameter in (plain, strided):
        optimizer = AdamaxW([parameter], lr=0.1)
        optimizer.step()
        optimizer.step()
    torch.testing.assert_close(strided.detach(), plain.detach(), rtol=1e-12, atol=1e-12)


def test_state_is_plain_tensors_and_resumes_exactly() -> None:
    whole, resumed = _parameters(torch.float32), _parameters(torch.float32)
    optimizer, first_half, second_half = (AdamaxW(_groups(p, 0.1)) for p in (whole, resumed, resumed))
    for step in range(10):
        _set_gradients(whole, step)
        _set_gradients(resumed, step)
        optimizer.step()
        if step == 5:
            state = first_half.state_dict()
            assert {type(value) for entry in state["state"].values() for value in entry.values()} == {Tensor}
            assert {key for entry in state["state"].values() for key in entry} == {"step", "exp_avg", "exp_inf"}
            second_half.load_state_dict(state)
        (first_half if step < 5 else second_half).step()
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


@pytest.mark.parametrize(
    "setting",
    [{"lr": -1.0}, {"lr": float("nan")}, {"eps": -1e-8}, {"weight_decay": float("inf")}, {"betas": (0.9, 1.0)}],
)
def test_impossible_settings_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        AdamaxW([{"params": [nn.Parameter(torch.ones(3))], **setting}])


def test_half_precision_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="keep parameters in float32"):
        AdamaxW([nn.Parameter(torch.ones(3, dtype=torch.bfloat16))])
