"""What holds for every weighting, on any losses and norms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minbert.multitask.combination import Combination, Weigher
from minbert.randomness import generator

RECIPES = {
    name: {"name": name, **({"window": 2} if name == "dwa" else {})}
    for name, member in Combination.members.items()
    if issubclass(member, Combination) and isinstance(member.model_validate({"name": name}).start(2), Weigher)
}
ADD_UP = ["sum", "gradnorm", "dwa", "random", "famo"]
"""Those whose weights always add up to the number of tasks."""
LEARNING = sorted(set(RECIPES) - {"sum"})
FLOAT32_MAX = 3.4e38


def _start(name: str, tasks: int) -> Weigher:
    weigher = Combination.model_validate(RECIPES[name]).start(tasks)
    assert isinstance(weigher, Weigher)
    return weigher


def _step(weigher: Weigher, step: int, losses: Tensor, norms: Tensor) -> Tensor:
    """Return the step's weights, then let the weigher learn."""
    weights = weigher.weights().clone()
    weigher.update(losses, norms, generator(7, "combination", step))
    return weights


def _sequence(steps: int, tasks: int) -> list[tuple[Tensor, Tensor]]:
    random = torch.Generator().manual_seed(1)
    values = torch.rand(steps, 2, tasks, generator=random, dtype=torch.float64)
    return [(losses * 2, norms * 10) for losses, norms in values]


def test_all_weightings_are_under_test() -> None:
    assert set(RECIPES) >= {"sum", "uncertainty", "gradnorm", "dwa", "random", "imtl_l", "famo"}


@pytest.mark.parametrize("name", sorted(RECIPES))
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_weights_are_finite_and_positive(name: str, data: st.DataObject) -> None:
    tasks = data.draw(st.integers(1, 4))
    sizes = st.floats(0, FLOAT32_MAX) | st.sampled_from([0.0, 1e-45, 1.0, 1e9, FLOAT32_MAX])
    vectors = st.lists(sizes, min_size=tasks, max_size=tasks)
    weigher = _start(name, tasks)
    for step, (losses, norms) in enumerate(data.draw(st.lists(st.tuples(vectors, vectors), max_size=8))):
        _step(weigher, step, torch.tensor(losses, dtype=torch.float64), torch.tensor(norms, dtype=torch.float64))
        weights = weigher.weights()
        assert weights.shape == (tasks,)
        assert weights.dtype == torch.float64
        assert weights.isfinite().all()
        assert (weights > 0).all()
        if name in ADD_UP:
            assert math.isclose(weights.sum().item(), tasks, rel_tol=1e-9)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_first_weights_are_all_one(name: str) -> None:
    assert _start(name, 3).weights().tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", LEARNING)
def test_something_is_learned(name: str) -> None:
    weigher = _start(name, 3)
    for step, (losses, norms) in enumerate(_sequence(6, 3)):
        _step(weigher, step, losses, norms)
    assert weigher.weights().tolist() != [1, 1, 1]


@pytest.mark.parametrize("name", ADD_UP)
def test_a_single_task_keeps_its_weight(name: str) -> None:
    weigher = _start(name, 1)
    for step, (losses, norms) in enumerate(_sequence(10, 1)):
        _step(weigher, step, losses, norms)
        assert weigher.weights().tolist() == pytest.approx([1], rel=1e-12)


@pytest.mark.parametrize("name", sorted(RECIPES))
@pytest.mark.parametrize("stop", [0, 1, 5, 8])
def test_a_restored_weigher_goes_on_exactly_as_if_never_stopped(name: str, stop: int) -> None:
    sequence = _sequence(12, 3)
    whole = _start(name, 3)
    for step in range(stop):
        _step(whole, step, *sequence[step])
    state = whole.state()
    assert all(type(tensor) is Tensor and tensor.dtype == torch.float64 for tensor in state.values())
    expected = [_step(whole, step, *sequence[step]) for step in range(stop, 12)]
    resumed = _start(name, 3)
    resumed.restore(state)  # taken before the last steps: they must not have changed it
    actual = [_step(resumed, step, *sequence[step]) for step in range(stop, 12)]
    assert all(torch.equal(a, b) for a, b in zip(actual, expected, strict=True))
    assert all(torch.equal(resumed.state()[key], value) for key, value in whole.state().items())


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"random"}))
def test_the_order_of_tasks_changes_nothing(name: str) -> None:
    order = torch.tensor([2, 0, 3, 1])
    plain, permuted = _start(name, 4), _start(name, 4)
    for step, (losses, norms) in enumerate(_sequence(10, 4)):
        _step(plain, step, losses, norms)
        _step(permuted, step, losses[order], norms[order])
    torch.testing.assert_close(permuted.weights(), plain.weights()[order], rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_weights_given_out_stay_as_they_were(name: str) -> None:
    weigher = _start(name, 3)
    for step, (losses, norms) in enumerate(_sequence(6, 3)):
        weights = weigher.weights()
        before = weights.clone()
        weigher.update(losses, norms, np.random.default_rng(step))
        assert torch.equal(weights, before)
