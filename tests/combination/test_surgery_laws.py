"""Laws that hold for many methods of gradient surgery, over gradients of every awkward kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gradient_matrices import MATRICES, lengths, same_direction, surgeon, weights_of

from laws import each
from minbert.multitask.combination import Combination, Surgeon

SURGEONS = sorted(
    name
    for name in Combination.members
    if isinstance(Combination.model_validate(name).start(2), Surgeon)  # type: ignore[attr-defined]
)
OF_GRADIENTS = [name for name in SURGEONS if name != "geometric"]
ORDERED = ["gradvac", "pcgrad"]
NON_NEGATIVE = ["cagrad", "fairgrad", "geometric", "gradvac", "mgda", "nash_mtl", "pcgrad", "upgrad"]
AT_LEAST_THE_SUM = ["cagrad", "gradvac", "pcgrad", "upgrad"]
SERVES_ALL = ["fairgrad", "mgda", "nash_mtl", "upgrad"]
STOPS_WHERE_GRADIENTS_CANCEL = ["fairgrad", "mgda", "nash_mtl", "upgrad"]

over_matrices = each("matrix", MATRICES)


def test_the_methods_are_all_here() -> None:
    expected = "aligned_mtl cagrad fairgrad geometric gradvac imtl_g mgda nash_mtl pcgrad upgrad"
    assert set(expected.split()) <= set(SURGEONS)


@over_matrices
@pytest.mark.parametrize("name", SURGEONS)
def test_weights_are_finite_whatever_the_gradients(name: str, matrix: str) -> None:
    assert np.isfinite(weights_of(name, MATRICES[matrix])).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", SURGEONS)
def test_a_gramian_that_is_not_finite_or_of_other_tasks_is_refused(name: str, bad: float) -> None:
    losses, random = torch.ones(2, dtype=torch.float64), np.random.default_rng(0)
    gramian = torch.eye(2, dtype=torch.float64)
    with pytest.raises(ValueError, match="must be"):
        surgeon(name, 3).weights(gramian, losses, random)
    gramian[0, 1] = bad
    with pytest.raises(ValueError, match="not finite"):
        surgeon(name, 2).weights(gramian, losses, random)


@pytest.mark.parametrize("name", SURGEONS)
def test_one_task_keeps_its_gradient(name: str) -> None:
    assert weights_of(name, MATRICES["one task"]) == pytest.approx([1])


@pytest.mark.parametrize("name", OF_GRADIENTS)
def test_gradients_alike_give_their_sum(name: str) -> None:
    gradients = MATRICES["alike"]
    factor = 1.4 if name == "cagrad" else 1.0  # the far end of the ball, for any number of tasks above one
    same_direction(gradients, weights_of(name, gradients), np.full(3, factor))


@pytest.mark.parametrize("name", ["gradvac", "pcgrad", "upgrad"])
def test_without_conflict_the_direction_is_the_plain_sum(name: str) -> None:
    gradients = np.abs(MATRICES["four"])
    assert weights_of(name, gradients) == pytest.approx(np.ones(4))


@pytest.mark.parametrize("name", OF_GRADIENTS)
def test_opposed_gradients_of_one_length_give_no_direction(name: str) -> None:
    gradients = MATRICES["opposed"]
    same_direction(gradients, weights_of(name, gradients), np.zeros(2))


@over_matrices
@pytest.mark.parametrize("name", NON_NEGATIVE)
def test_weights_are_never_negative(name: str, matrix: str) -> None:
    assert (weights_of(name, MATRICES[matrix]) >= 0).all()


@over_matrices
@pytest.mark.parametrize("name", AT_LEAST_THE_SUM)
def test_methods_that_only_add_to_the_sum_have_weights_of_at_least_one(name: str, matrix: str) -> None:
    assert (weights_of(name, MATRICES[matrix]) >= 1 - 1e-12).all()


@over_matrices
@pytest.mark.parametrize("name", SERVES_ALL)
def test_no_task_is_made_worse(name: str, matrix: str) -> None:
    gradients = MATRICES[matrix]
    weights, norms = weights_of(name, gradients), lengths(gradients)
    assert (gradients @ (gradients.T @ weights) >= -2e-8 * norms * max(weights @ norms, norms.max())).all()


@each("matrix", ["two", "two in conflict", "opposed", "opposed, unequal", "one of two zero"])
@pytest.mark.parametrize("name", ORDERED)
def test_of_two_tasks_none_is_made_worse_by_projections(name: str, matrix: str) -> None:
    gradients = MATRICES[matrix]
    assert (gradients @ (gradients.T @ weights_of(name, gradients)) >= -1e-12).all()


@over_matrices
@pytest.mark.parametrize("name", OF_GRADIENTS)
def test_the_order_of_tasks_does_not_matter(name: str, matrix: str) -> None:
    gradients = MATRICES[matrix]
    tasks = len(gradients)
    if name in ORDERED and tasks > 2:
        return  # these draw an order
    order = np.random.default_rng(8).permutation(tasks)
    weights, permuted = np.empty(tasks), weights_of(name, gradients[order])
    weights[order] = permuted
    same_direction(gradients, weights_of(name, gradients), weights, 1e-6)


@each("matrix", ["two in conflict", "three in conflict", "four", "rank two of five", "one zero"])
@pytest.mark.parametrize("name", SURGEONS)
def test_the_direction_is_as_long_as_the_gradients(name: str, matrix: str) -> None:
    """Gradients times ``t`` give the direction times ``t``: the weights stay."""
    gradients = MATRICES[matrix]
    for scale in (1e-9, 3.0, 1e9):
        same_direction(gradients, weights_of(name, gradients), weights_of(name, gradients * scale))


@pytest.mark.parametrize("name", STOPS_WHERE_GRADIENTS_CANCEL)
def test_where_gradients_cancel_there_is_no_direction(name: str) -> None:
    gradients = MATRICES["cancelling"]
    same_direction(gradients, weights_of(name, gradients), np.zeros(3), 1e-2)


@pytest.mark.parametrize("name", ["aligned_mtl", "cagrad", "fairgrad", "nash_mtl", "pcgrad", "upgrad", "gradvac"])
def test_a_gradient_of_zero_takes_nothing_from_the_others(name: str) -> None:
    """MGDA is the exception that its formula makes: the shortest mean is then 0; IMTL-G shares a factor ``K``."""
    gradients = MATRICES["one of two zero"]
    direction = gradients.T @ weights_of(name, gradients)
    assert direction == pytest.approx(gradients[1], rel=1e-6)


@pytest.mark.parametrize("name", SURGEONS)
def test_a_method_that_remembers_goes_on_from_its_state_as_if_it_had_never_stopped(name: str) -> None:
    random = np.random.default_rng(3)
    steps = [random.normal(size=(3, 4)) for _ in range(6)]
    losses = torch.ones(3, dtype=torch.float64)
    whole, resumed = surgeon(name, 3), surgeon(name, 3)
    kept: dict[str, torch.Tensor] = {}
    for step, gradients in enumerate(steps):
        if step == 3:
            kept = whole.state()
            resumed.restore(kept)
            as_it_was = {key: value.clone() for key, value in kept.items()}
        gramian = torch.from_numpy(gradients @ gradients.T)
        expected = whole.weights(gramian, losses, np.random.default_rng(step))
        if step >= 3:
            assert torch.equal(resumed.weights(gramian, losses, np.random.default_rng(step)), expected)
    for key, value in kept.items():
        assert torch.equal(value, as_it_was[key]), "later steps must not change a state that was handed out"
        assert not torch.equal(value, whole.state()[key])
