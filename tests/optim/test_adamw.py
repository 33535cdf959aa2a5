"""AdamW is torch's AdamW, whichever way it computes the update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minbert.optim import adamw
from minbert.optim.adamw import AdamW

SHAPES = [(7, 5), (5,), (), (3, 2, 4), (1, 1)]


def _parameters(dtype: torch.dtype) -> list[Tensor]:
    random = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(shape, generator=random, dtype=dtype)) for shape in SHAPES]


def _groups(parameters: list[Tensor]) -> list[dict[str, Any]]:
    return [
        {"params": parameters[:2], "lr": 3e-2, "weight_decay": 0.1},
        {"params": parameters[2:4], "lr": 1e-3, "betas": (0.8, 0.95), "eps": 1e-6},
        {"params": parameters[4:], "weight_decay": 0.0},
    ]


def _set_gradients(parameters: list[Tensor], step: int) -> None:
    """Give gradients of very different sizes; every parameter goes without one in some steps."""
    random = torch.Generator().manual_seed(step)
    for index, parameter in enumerate(parameters):
        gradient = torch.randn(parameter.shape, generator=random, dtype=parameter.dtype) * 10.0 ** (step % 7 - 4)
        parameter.grad = None if (step + index) % 3 == 0 else gradient


@pytest.fixture(params=["fused", "readable"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of computing the update; the one that is not meant cannot be called."""
    if request.param == "readable":
        monkeypatch.setattr(adamw, "FUSED_DEVICES", frozenset())
        monkeypatch.setattr(adamw, "torch_adamw", None)
    else:
        monkeypatch.setattr(adamw, "update_", None)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_a_hundred_steps_equal_torch(dtype: torch.dtype, tolerance: float) -> None:
    ours, theirs = _parameters(dtype), _parameters(dtype)
    optimizer, reference = AdamW(_groups(ours)), torch.optim.AdamW(_groups(theirs), foreach=False)
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
        for key in ("step", "exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(
                optimizer.state[our][key], reference.state[their][key], rtol=tolerance, atol=tolerance
            )


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_first_step_by_hand(weight_decay: float) -> None:
    """After one step both moments, corrected, are the gradient itself: the step is its sign, times the rate."""
    parameter = nn.Parameter(torch.tensor([2.0, -3.0], dtype=torch.float64))
    parameter.grad = torch.tensor([0.5, -4.0], dtype=torch.float64)
    AdamW([parameter], lr=0.01, eps=0.0, weight_decay=weight_decay).step()
    expected = torch.tensor([2.0, -3.0], dtype=torch.float64) * (1 - 0.01 * weight_decay)
    expected -= 0.01 * torch.tensor([1.0, -1.0], dtype=torch.float64)
    torch.testing.assert_close(parameter.detach(), expected, rtol=1e-12, atol=0)


@pytest.mark.usefixtures("way")
def test_parameter_without_gradient_is_left_alone() -> None:
    parameter, other = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = AdamW([parameter, other], weight_decay=0.5)
    other.grad = torch.ones(3)
    optimizer.step()
    assert torch.equal(parameter, torch.ones(3))
    assert parameter not in optimizer.state


STRIDED: list[Callable[[Tensor], Tensor]] = [
    lambda t: t.t().contiguous().t(),
    lambda t: torch.stack([t, t], dim=-1)[..., 0],
]


@pytest.mark.parametrize("lay_out_gradient", [*STRIDED, torch.clone])
@pytest.mark.parametrize("lay_out_parameter", [*STRIDED, torch.clone])
def test_memory_layout_changes_nothing(
    lay_out_parameter: Callable[[Tensor], Tensor], lay_out_gradient: Callable[[Tensor], Tensor]
) -> None:
    """torch's own fused kernel gets this wrong on the CPU: it ignores strides."""
    values, gradient = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1)).double()
    plain, strided = nn.Parameter(values.clone()), nn.Parameter(lay_out_parameter(values.clone()))
    plain.grad, strided.grad = gradient, lay_out_gradient(gradient)
    for parameter in (plain, strided):
        optimizer = AdamW([parameter], lr=0.1)
        optimizer.step()
        optimizer.step()
    torch.testing.assert_close(strided.detach(), plain.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("way")
def test_state_is_plain_tensors_and_resumes_exactly() -> None:
    whole, resumed = _parameters(torch.float32), _parameters(torch.float32)
    optimizer, first_half, second_half = AdamW(_groups(whole)), AdamW(_groups(resumed)), AdamW(_groups(resumed))
    for step in range(10):
        _set_gradients(whole, step)
        _set_gradients(resumed, step)
        optimizer.step()
        if step == 5:
            state = first_half.state_dict()
            assert {type(value) for entry in state["state"].values() for value in entry.values()} == {Tensor}
            assert {key for entry in state["state"].values() for key in entry} == {"step", "exp_avg", "exp_avg_sq"}
            second_half.load_state_dict(state)
        (first_half if step < 5 else second_half).step()
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_parameters_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match="keep parameters in float32"):
        AdamW([nn.Parameter(torch.ones(3, dtype=dtype))])


@pytest.mark.parametrize(
    "setting",
    [{"lr": -1.0}, {"lr": float("nan")}, {"eps": -1e-8}, {"weight_decay": float("inf")}, {"betas": (0.9, 1.0)}],
)
def test_impossible_settings_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        AdamW([{"params": [nn.Parameter(torch.ones(3))], **setting}])
