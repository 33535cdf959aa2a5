"""R-Drop compares two passes with masks of their own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regularized_steps import gradients_for, only, passes_of, still
from torch.nn import functional

from minbert.errors import UserError
from minbert.multitask.regularization.r_drop import _RDropRegularizer
from minbert.training.display import Display


def test_half_of_both_divergences_of_two_passes(two_tasks: dict[str, Any], quiet: Display) -> None:
    gradients = gradients_for(two_tasks, quiet)
    torch.manual_seed(6)
    penalty = _RDropRegularizer().penalty(passes_of(gradients, "mood"))
    after = torch.get_rng_state()
    torch.manual_seed(6)
    one, other = (passes_of(gradients, "mood").clean.logits.double().log_softmax(-1) for _ in range(2))
    assert torch.equal(after, torch.get_rng_state())
    kl = [functional.kl_div(a, b, reduction="batchmean", log_target=True) for a, b in ((one, other), (other, one))]
    assert float(penalty.value) == pytest.approx(float(sum(kl)) / 2, rel=1e-4)
    assert float(penalty.value) > 1e-4
    assert float(penalty.report["divergence"]) == float(penalty.value)


def test_both_passes_carry_gradient(two_tasks: dict[str, Any], quiet: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = gradients_for(two_tasks, quiet)
    first = passes_of(gradients, "close")
    second = first.anew()
    monkeypatch.setattr(first, "anew", lambda: second)
    value = _RDropRegularizer().penalty(first).value
    found = torch.autograd.grad(value, (first.clean.logits, second.logits))
    torch.testing.assert_close(found[0], -found[1])  # of half the squared difference
    torch.testing.assert_close(found[0], (first.clean.logits - second.logits) / 6)


def test_without_any_dropout_it_is_refused(two_tasks: dict[str, Any], quiet: Display) -> None:
    with pytest.raises(UserError, match=r"tasks\.mood.regularization: 'r_drop' .* no dropout"):
        gradients_for(still(only(two_tasks, "mood", regularization="r_drop")), quiet)
    two_tasks["tasks"]["mood"]["head"] = {"dropout": 0.1}
    gradients_for(only(two_tasks, "mood", regularization="r_drop"), quiet)
