"""R-Drop compares two passes with masks of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from regularized_steps import assert_close, learner_for, only, passes_of, still, taken
from torch.nn import functional

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.multitask.network import Span
from minbert.multitask.regularization.r_drop import _RDropRegularizer
from minbert.packed import concatenate
from minbert.training.shards import Shards


def test_half_of_both_divergences_of_two_passes(two_tasks: dict[str, Any], quiet: Display) -> None:
    learner = learner_for(two_tasks, quiet)
    torch.manual_seed(6)
    penalty = _RDropRegularizer().penalty(passes_of(learner, "mood"))
    after = torch.get_rng_state()
    torch.manual_seed(6)
    one, other = (passes_of(learner, "mood").clean.logits.double().log_softmax(-1) for _ in range(2))
    assert torch.equal(after, torch.get_rng_state())
    kl = [functional.kl_div(a, b, reduction="batchmean", log_target=True) for a, b in ((one, other), (other, one))]
    assert float(penalty.value.detach()) == pytest.approx(float(sum(kl).detach()) / 2, rel=1e-4)
    assert float(penalty.value.detach()) > 1e-4
    assert float(penalty.report["divergence"]) == float(penalty.value.detach())


def test_both_passes_carry_gradient(two_tasks: dict[str, Any], quiet: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_for(two_tasks, quiet)
    first = passes_of(learner, "close")
    second = first.anew()
    monkeypatch.setattr(first, "anew", lambda: second)
    value = _RDropRegularizer().penalty(first).value
    found = torch.autograd.grad(value, (first.clean.logits, second.logits))
    torch.testing.assert_close(found[0], -found[1])  # of half the squared difference
    torch.testing.assert_close(found[0], (first.clean.logits - second.logits) / 6)


def test_without_any_dropout_it_is_refused(two_tasks: dict[str, Any], quiet: Display) -> None:
    with pytest.raises(UserError, match=r"tasks\.mood.regularization: 'r_drop' .* no dropout"):
        learner_for(still(only(two_tasks, "mood", regularization="r_drop")), quiet)
    two_tasks["tasks"]["mood"]["head"] = {"dropout": 0.1}
    learner_for(only(two_tasks, "mood", regularization="r_drop"), quiet)


@pytest.mark.parametrize("pair", ["bi", "cross"])
def test_both_passes_run_in_the_call_of_all_tasks(two_tasks: dict[str, Any], quiet: Display, pair: str) -> None:
    two_tasks["tasks"]["mood"] |= {"regularization": {"name": "r_drop", "weight": 3}, "weight": 0.5}
    two_tasks["tasks"]["close"] |= {"regularization": "r_drop", "pair": pair}
    learner = learner_for(two_tasks, quiet)
    step = {"mood": np.arange(6), "close": np.arange(2, 7)}
    calls: list[int] = []
    handle = learner.model.encoder.register_forward_hook(lambda _m, a, _o: calls.append(len(a[0].token_ids)))
    losses = learner.accumulate(step, {"mood": 0.25, "close": 2.0})
    found = taken(learner)
    handle.remove()

    batches, spans, labels = [], [], {}
    for task, rows in step.items():
        of_task = learner.train[task]
        batches += [of_task.sequences.pack(of_task.sequences.of(rows))] * 2
        spans += [Span(task, len(batches[-1]))] * 2
        labels[task] = torch.from_numpy(of_task.known_labels[rows])
    assert calls == [sum(len(batch.token_ids) for batch in batches)]
    Shards().draw("mood", "close", 0)
    mood, mood_again, close, close_again = (o.logits for o in learner.model(concatenate(batches), spans))
    one, other = mood.log_softmax(-1), mood_again.log_softmax(-1)
    kl = ((one.exp() - other.exp()) * (one - other)).sum(-1).mean()
    mood_loss = sum(functional.cross_entropy(logits, labels["mood"].long()) for logits in (mood, mood_again)) / 2
    close_loss = sum((scores[:, 0] - labels["close"].float()).square().mean() for scores in (close, close_again)) / 2
    squares = (close - close_again).square().mean()
    assert float(kl.detach()) > 1e-4
    assert float(squares.detach()) > 1e-4
    (0.125 * (mood_loss + 3 * kl / 2) + 2 * (close_loss + squares / 2)).backward()
    assert_close(found, taken(learner))
    torch.testing.assert_close(losses, torch.stack([mood_loss, close_loss]).detach())  # told without the penalties


def test_with_another_method_beside_it_the_passes_run_alone(two_tasks: dict[str, Any], quiet: Display) -> None:
    two_tasks["tasks"]["mood"]["regularization"] = ["r_drop", "mbpp"]
    learner = learner_for(two_tasks, quiet)
    learner.finish_step()
    calls: list[int] = []
    learner.model.encoder.register_forward_hook(lambda _m, a, _o: calls.append(len(a[0].token_ids)))
    learner.accumulate({"mood": np.arange(6), "close": np.arange(4)}, {"mood": 1.0, "close": 1.0})
    assert len(calls) == 4  # the pass of the loss, R-Drop's, the teacher's, and the other task's
