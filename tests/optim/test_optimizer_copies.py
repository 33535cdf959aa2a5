"""Optimizers as people handle them: copied, pickled, loaded from torch's states, given more parameters later."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter, functional

from minbert.optim.adamaxw import AdamaxW
from minbert.optim.adamw import AdamW
from minbert.optim.base import AdamFamily
from minbert.optim.gradients import on_common_rows

both_optimizers = pytest.mark.parametrize("kind", [AdamW, AdamaxW])


def table() -> Parameter:
    return Parameter(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)))


def step(optimizer: torch.optim.Optimizer, rows: list[int]) -> Tensor:
    (parameter,) = optimizer.param_groups[0]["params"]
    optimizer.zero_grad(set_to_none=True)
    functional.embedding(torch.tensor(rows), parameter, sparse=True).square().sum().backward()
    optimizer.step()
    return parameter.detach().clone()


@both_optimizers
@pytest.mark.parametrize("way", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_a_copy_steps_as_the_original_does(kind: type[AdamFamily], way: Callable[[AdamFamily], AdamFamily]) -> None:
    optimizer = kind([table()], lr=0.1)
    step(optimizer, [1, 5])
    copied = way(optimizer)
    for rows in ([5], [1, 2]):
        assert torch.equal(step(optimizer, rows), step(copied, rows))


@both_optimizers
@pytest.mark.parametrize("number", [int, float, lambda step: step.reshape(1)])
def test_the_step_of_a_state_may_be_a_plain_number(kind: type[AdamFamily], number: Callable[[Tensor], Any]) -> None:
    optimizer, other = kind([table()], lr=0.1), kind([table()], lr=0.1)
    step(optimizer, [1])
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["step"] = number(state["state"][0]["step"])
    other.load_state_dict(state)
    other.param_groups[0]["params"][0].data.copy_(optimizer.param_groups[0]["params"][0].data)
    assert torch.equal(step(optimizer, [5]), step(other, [5]))


@pytest.mark.parametrize("settings", [{}, {"foreach": True}, {"fused": True}])
def test_adamw_goes_on_from_a_state_of_torchs(settings: dict[str, Any]) -> None:
    theirs, parameter = Parameter(torch.randn(4, 3)), Parameter(torch.zeros(4, 3))
    reference = torch.optim.AdamW([theirs], lr=0.1, **settings)
    ours = AdamW([parameter], lr=0.5)
    for number in range(3):
        if number == 1:
            ours.load_state_dict(copy.deepcopy(reference.state_dict()))
            parameter.data.copy_(theirs.data)
        theirs.grad = torch.full((4, 3), 0.3 + number)
        parameter.grad = theirs.grad.clone()
        reference.step()
        if number:
            ours.step()
    torch.testing.assert_close(parameter, theirs)


def test_a_state_that_means_something_else_is_refused() -> None:
    parameter = table()
    parameter.grad = torch.ones(20, 3)
    others: list[torch.optim.Optimizer] = [
        AdamaxW([parameter]),
        torch.optim.AdamW([parameter], amsgrad=True),
        torch.optim.AdamW([parameter], maximize=True),
    ]
    for other, reason in zip(others, ("another optimizer's", "another optimizer's", "maximize"), strict=True):
        other.step()
        with pytest.raises(ValueError, match=reason):
            AdamW([table()]).load_state_dict(other.state_dict())


@both_optimizers
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("step", "1", "a state's step must be a number, not '1' of type str"),
        ("step", True, "step must be a number, not True of type bool"),
        ("step", None, "step must be a number, not None of type NoneType"),
        ("step", torch.ones(2), "step must be a number, not tensor"),
        (None, [0.0], "must be a tensor, not .* of type list"),
        (None, None, "must be a tensor, not None of type NoneType"),
    ],
)
def test_a_state_of_wrong_types_is_refused(kind: type[AdamFamily], name: str | None, value: Any, told: str) -> None:
    optimizer = kind([table()])
    step(optimizer, [1, 2])
    state = optimizer.state_dict()
    state["state"][0][name or kind.moments[0]] = value
    with pytest.raises(ValueError, match=told):
        kind([table()]).load_state_dict(state)


@both_optimizers
def test_a_group_that_is_refused_is_not_kept(kind: type[AdamFamily]) -> None:
    optimizer = kind([table()], lr=0.1)
    for wrong in ({"params": [table()], "lr": -1.0}, {"params": [Parameter(torch.zeros(2, dtype=torch.bfloat16))]}):
        with pytest.raises(ValueError, match=r"must be|keep parameters"):
            optimizer.add_param_group(wrong)
    optimizer.add_param_group({"params": [Parameter(torch.zeros(0, 3))], "lr": 0.5})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    empty = optimizer.param_groups[1]["params"][0]
    empty.grad = torch.zeros(0, 3)
    step_of_first = table()
    optimizer.param_groups[0]["params"][0].grad = torch.ones(20, 3)
    optimizer.step()
    assert not torch.equal(optimizer.param_groups[0]["params"][0], step_of_first)


@both_optimizers
def test_a_gradient_sparse_in_both_dimensions_is_the_dense_one(kind: type[AdamFamily]) -> None:
    gradient = torch.sparse_coo_tensor(
        torch.tensor([[3, 3, 7], [0, 0, 2]]), torch.tensor([1.0, 2.0, -1.0]), (20, 3), check_invariants=True
    )
    dense, sparse = table(), table()
    dense.grad, sparse.grad = gradient.to_dense(), gradient
    for parameter in (dense, sparse):
        kind([parameter], lr=0.1).step()
    assert torch.equal(dense, sparse)


def test_gradients_of_several_layouts_have_all_rows_in_common() -> None:
    rows = torch.sparse_coo_tensor(torch.tensor([[3]]), torch.ones(1, 3), (20, 3), check_invariants=True)
    places = torch.sparse_coo_tensor(torch.tensor([[3], [1]]), torch.ones(1), (20, 3), check_invariants=True)
    dense = torch.ones(20, 3)
    for gradients in ([rows, places, None], [rows, dense], [places, None]):
        common, chosen = on_common_rows(gradients)
        assert chosen is None
        for gradient, found in zip(gradients, common, strict=True):
            assert (gradient is None) == (found is None)
            assert gradient is None or torch.equal(gradient.to_dense(), found)  # type: ignore[arg-type]
