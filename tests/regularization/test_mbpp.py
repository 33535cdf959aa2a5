"""The momentum teacher of MBPP: its recursion, its masks, its first step."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from regularized_steps import FORMS, learner_for, only, passes_of, regularization, taken

from minbert.display.progress import Display
from minbert.multitask.regularization.mbpp import Mbpp, _MbppRegularizer


def mbpp(learner: Any, **settings: Any) -> _MbppRegularizer:
    chosen = regularization(name="mbpp", **settings)
    assert isinstance(chosen, Mbpp)
    return _MbppRegularizer(chosen, dict(learner.model.named_parameters()))


def shift(model: torch.nn.Module, seed: int) -> None:
    """Move all weights, as an optimizer does: in place."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=random)


def test_the_teacher_follows_by_the_papers_recursion(two_tasks: dict[str, Any], quiet: Display) -> None:
    learner = learner_for(two_tasks, quiet)
    model = learner.model
    teacher = mbpp(learner, beta=0.75, early_beta=0.5, early_share=0.2)
    wanted = {name: p.detach().double().clone() for name, p in model.named_parameters()}
    for number, (progress, beta) in enumerate([(0.0, 0.5), (0.19, 0.5), (0.2, 0.75), (0.9, 0.75)]):
        shift(model, number)
        teacher.finish_step(progress)
        for name, parameter in model.named_parameters():
            wanted[name] = (1 - beta) * parameter.detach().double() + beta * wanted[name]
    for name, weight in teacher._teacher.items():
        torch.testing.assert_close(weight.double(), wanted[name], atol=1e-6, rtol=1e-6)
        assert not weight.requires_grad
    assert set(teacher._teacher) == set(wanted)  # encoder and heads


def test_the_papers_defaults() -> None:
    settings = Mbpp()
    assert (settings.weight, settings.early_beta, settings.early_share, settings.beta) == (1, 0.99, 0.1, 0.999)


def test_the_first_step_has_no_penalty_and_no_pass(two_tasks: dict[str, Any], quiet: Display) -> None:
    learner = learner_for(two_tasks, quiet)
    calls = []
    learner.model.encoder.register_forward_hook(lambda *_: calls.append(1))
    penalty = mbpp(learner).penalty(passes_of(learner, "mood"))
    assert float(penalty.value.detach()) == 0
    assert len(calls) == 1


@pytest.mark.parametrize("form", ["single", "bi", "classes", "cosine"])
def test_equal_weights_predict_equally_and_other_weights_do_not(
    two_tasks: dict[str, Any], quiet: Display, form: str
) -> None:
    """With dropout on: the teacher has the model's masks. An alias of the weights would never show a difference."""
    task, settings = FORMS[form]
    learner = learner_for(only(two_tasks, task, **settings), quiet)
    teacher = mbpp(learner)
    teacher.finish_step(0.0)  # the weights have not moved, so neither has the teacher
    assert teacher.penalty(passes_of(learner, task)).value.item() == pytest.approx(0, abs=1e-10)
    old = copy.deepcopy(learner.model)
    shift(learner.model, 1)
    first = passes_of(learner, task)
    penalty = teacher.penalty(first)
    assert float(penalty.value.detach()) > 1e-4
    learner.model, new = old, learner.model
    with first._masks.replayed():
        by_hand = passes_of(learner, task)
    learner.model = new
    torch.testing.assert_close(penalty.value, first.divergences(first.clean, by_hand.constant()).mean())
    penalty.value.backward()
    assert len(taken(learner)) > 10
    assert all(weight.grad is None for weight in teacher._teacher.values())


def test_the_teacher_leaves_the_models_weights_alone(two_tasks: dict[str, Any], quiet: Display) -> None:
    learner = learner_for(two_tasks, quiet)
    teacher = mbpp(learner)
    teacher.finish_step(0.0)
    shift(learner.model, 2)
    before = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    objects = [id(p) for p in learner.model.parameters()]
    teacher.penalty(passes_of(learner, "mood"))
    assert objects == [id(p) for p in learner.model.parameters()]
    assert all(torch.equal(p, before[name]) for name, p in learner.model.named_parameters())


def test_a_checkpoint_holds_the_teacher(two_tasks: dict[str, Any], quiet: Display) -> None:
    learner = learner_for(two_tasks, quiet)
    teacher = mbpp(learner)
    teacher.finish_step(0.0)
    shift(learner.model, 3)
    teacher.finish_step(0.5)
    other = mbpp(learner)
    other.restore({name: tensor.clone() for name, tensor in teacher.state().items()})
    for one in (teacher, other):
        one.finish_step(0.9)
    assert all(torch.equal(weight, other._teacher[name]) for name, weight in teacher._teacher.items())
    fresh = mbpp(learner)
    fresh.restore(mbpp(learner).state())
    assert float(fresh.penalty(passes_of(learner, "mood")).value) == 0  # before the first step, as it was
