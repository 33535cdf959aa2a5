"""SMART's search against a row-by-row version of Algorithm 1, and what its two passes share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from regularized_steps import FORMS, SMOOTH, learner_for, only, passes_of, regularization, same_noise, taken
from torch import Tensor

from minbert.display.progress import Display
from minbert.multitask.network import Span
from minbert.multitask.regularization import Passes
from minbert.multitask.regularization.smart import Smart, _SmartRegularizer


def smart(**settings: Any) -> _SmartRegularizer:
    chosen = regularization(name="smart", **settings)
    assert isinstance(chosen, Smart)
    return _SmartRegularizer(chosen)


def passes(two_tasks: dict[str, Any], quiet: Display, form: str, rows: int = 6) -> Passes:
    task, settings = FORMS[form]
    return passes_of(learner_for(only(two_tasks, task, **settings), quiet), task, rows)


@pytest.mark.parametrize("form", FORMS)
def test_a_perturbation_of_0_changes_nothing(two_tasks: dict[str, Any], quiet: Display, form: str) -> None:
    """To the bit, with dropout on: the same word embeddings, added to once, and the same masks."""
    first = passes(two_tasks, quiet, form)
    zero = first.noise(0.0)
    assert torch.equal(first.again(zero).logits, first.clean.logits)
    assert torch.equal(first.again().logits, first.clean.logits)
    assert not torch.equal(first.anew().logits, first.clean.logits)  # dropout is on
    assert not first.divergences(first.again(zero), first.clean).any()


@pytest.mark.parametrize("form", ["single", "bi", "cross", "classes"])
@pytest.mark.parametrize("settings", [{}, {"epsilon": 0.02, "sigma": 0.01, "step_size": 0.03, "steps": 3}])
def test_the_search_is_algorithm_1_row_by_row(
    two_tasks: dict[str, Any], quiet: Display, form: str, settings: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row searched alone, by a plain loop over its numbers, ends where it ends in company."""
    same_noise(monkeypatch)
    task, changes = FORMS[form]
    head = SMOOTH | ({"name": "scale_softmax"} if form == "classes" else {})
    learner = learner_for(only(two_tasks, task, **changes | {"head": head}), quiet)
    model, sequences = learner.model.eval(), learner.train[task].sequences
    ids = model.template.ids
    regularizer = smart(**settings)
    company = passes_of(learner, task, 3)
    found = regularizer._worst(company)
    settings_of_task = model.tasks[task]
    chosen = regularizer._settings
    for row in range(3):
        batch = sequences.pack(sequences.of(np.arange(row, row + 1)))
        words = model.encoder.word_embeddings(batch).detach()
        special = torch.isin(batch.token_ids, torch.tensor(ids))
        [clean] = model(batch, [Span(task, len(batch))])
        target = type(clean)(*(None if t is None or isinstance(t, tuple) else t.detach() for t in clean))
        delta = passes_of(learner, task, 1, row).noise(chosen.sigma)
        delta[special] = 0
        for _ in range(chosen.steps):
            delta = delta.clone().requires_grad_()
            [moved] = model(batch, [Span(task, len(batch))], word_embeddings=words + delta)
            settings_of_task.divergences(moved, target).squeeze().backward()
            slope = delta.grad
            assert slope is not None
            slope[special] = 0
            delta = (delta + chosen.step_size * slope / slope.abs().max()).clamp(-chosen.epsilon, chosen.epsilon)
            delta = delta.detach()
        mine = found[company.row_of_token == row]
        assert float(mine.abs().max()) == pytest.approx(chosen.epsilon)
        assert not mine[special].any()
        # A gradient of tiny numbers: it is right to half a percent of its largest, in fp32.
        torch.testing.assert_close(mine, delta, atol=0.005 * chosen.step_size, rtol=0)


def test_the_perturbation_stays_in_the_ball_and_off_special_tokens(two_tasks: dict[str, Any], quiet: Display) -> None:
    first = passes(two_tasks, quiet, "bi")
    penalty = smart(epsilon=1e-4, sigma=1.0, step_size=50.0, steps=2).penalty(first)
    assert float(penalty.report["perturbation"]) == pytest.approx(1e-4)
    found = smart(epsilon=1e-4, sigma=1.0, step_size=50.0)._worst(first)
    assert float(found.abs().max()) <= 1e-4 * (1 + 1e-6)
    assert not found[~first.text_tokens()].any()
    assert int((~first.text_tokens()).sum()) == 2 * 2 * 6  # [CLS] and [SEP] of both texts of six pairs
    assert set(first.row_of_token.tolist()) == set(range(6))


def test_a_search_finds_worse_than_chance(two_tasks: dict[str, Any], quiet: Display) -> None:
    first = passes(two_tasks, quiet, "single")
    text = first.text_tokens().unsqueeze(-1)

    def divergence(perturbation: Tensor) -> float:
        return float(first.divergences(first.again(perturbation), first.clean).mean().detach())

    chance = [divergence(first.noise(1.0).sign() * 1e-2 * text) for _ in range(10)]
    once = divergence(smart(epsilon=1e-2, sigma=1e-3, step_size=1e-1)._worst(first))
    often = divergence(smart(epsilon=1e-2, sigma=1e-3, step_size=1e-2, steps=8)._worst(first))
    assert once > max(chance)
    assert often > max(chance)


def test_a_row_that_nothing_moves_stays_where_it_is(
    two_tasks: dict[str, Any], quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the noise the gradient is 0; nothing may become 0/0."""
    first = passes(two_tasks, quiet, "single")
    monkeypatch.setattr(Passes, "noise", lambda self, _: torch.zeros(len(self._batch.token_ids), 32))
    penalty = smart().penalty(first)
    assert float(penalty.value.detach()) == 0
    assert float(penalty.report["perturbation"]) == 0


@pytest.mark.parametrize("form", ["single", "bi"])
def test_both_passes_carry_gradient_and_the_search_leaves_none(
    two_tasks: dict[str, Any], quiet: Display, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, settings = FORMS[form]
    learner = learner_for(only(two_tasks, task, **settings), quiet)
    first = passes_of(learner, task)
    regularizer = smart(epsilon=0.05, sigma=0.01, step_size=1.0)
    perturbation = regularizer._worst(first)
    assert not perturbation.requires_grad
    assert not taken(learner)
    monkeypatch.setattr(regularizer, "_worst", lambda _: perturbation)
    model = learner.model
    perturbed, constant = first.again(perturbation), first.constant()
    still_perturbed = type(perturbed)(perturbed.logits.detach(), None, None)

    def of(value: Tensor) -> list[Tensor]:
        found = torch.autograd.grad(value.mean(), list(model.parameters()), retain_graph=True, allow_unused=True)
        return [gradient for gradient in found if gradient is not None]

    clean_side = of(first.divergences(still_perturbed, first.clean))
    perturbed_side = of(first.divergences(perturbed, constant))
    both = of(regularizer.penalty(first).value)
    assert len(both) == len(clean_side) == len(perturbed_side) > 10
    for one, other, total in zip(clean_side, perturbed_side, both, strict=True):
        torch.testing.assert_close(total, one + other, atol=1e-5, rtol=1e-3)
    assert max(float(gradient.abs().max()) for gradient in clean_side) > 1e-3


def test_one_state_of_the_generator_follows_whatever_the_search(two_tasks: dict[str, Any], quiet: Display) -> None:
    task, settings = FORMS["bi"]
    learner = learner_for(only(two_tasks, task, **settings), quiet)
    states = []
    for steps in (1, 4):
        torch.manual_seed(4)
        smart(steps=steps).penalty(passes_of(learner, task)).value.backward()
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
    torch.manual_seed(4)
    passes_of(learner, task).noise(1.0)
    assert torch.equal(torch.get_rng_state(), states[0])


def test_magnitudes_follow_epsilon(two_tasks: dict[str, Any], quiet: Display) -> None:
    """R_s grows with the square of a small epsilon, and dropout alone would drown it."""
    first = passes(two_tasks, quiet, "single", 12)
    found = [
        float(smart(epsilon=e, sigma=e, step_size=100 * e).penalty(first).value.detach())
        for e in (1e-5, 1e-4, 1e-3, 1e-2)
    ]
    assert 50 < found[2] / found[1] < 200
    assert 50 < found[3] / found[2] < 200
    assert float(first.divergences(first.anew(), first.clean).mean().detach()) > 1000 * found[0]


def test_bf16_changes_no_bit_of_it(two_tasks: dict[str, Any], quiet: Display) -> None:
    """At the paper's epsilon both passes round to the same bf16 numbers, or to neighbours by chance."""
    recipe = only(two_tasks, "mood", regularization="smart")
    step = {"mood": np.arange(8)}
    found = []
    for precision in ("fp32", "bf16"):
        learner = learner_for(recipe, quiet, precision=precision)
        learner.accumulate(step, {"mood": 1.0})
        found.append((learner.regularizing.report()["mood"]["smart"], taken(learner)))
    assert found[0][0] == found[1][0]
    assert 0 < found[0][0]["divergence"] < 1e-4
    assert all(torch.equal(found[0][1][name], gradient) for name, gradient in found[1][1].items())
