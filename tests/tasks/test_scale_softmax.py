"""A score as a choice among whole numbers: the head, and the loss that shares a label between two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from minbert.tasks.heads import Head, HeadOutput
from minbert.tasks.heads.base import HeadModule
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.regression import Regression
from minbert.tasks.losses import Loss

SCORE = Regression(range=(0, 5))
SHIFTED = Regression(range=(-2, 1))


def build(labels: Kind, **settings: Any) -> HeadModule:
    return Head.model_validate({"name": "scale_softmax", **settings}).build(8, labels, "bi")


@pytest.mark.parametrize(("labels", "classes"), [(SCORE, range(6)), (SHIFTED, range(-2, 2))])
def test_the_score_is_the_expected_value(labels: Kind, classes: range) -> None:
    head = build(labels).eval()
    output = head(torch.randn(10, 8))
    assert output.class_logits is not None
    assert output.class_logits.shape == (5, len(classes))
    logits = output.class_logits.detach().double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(output.logits.detach().numpy(), (shares @ np.array(classes))[:, None], atol=1e-6)
    inside = labels.predictions(output.logits.detach()).values
    np.testing.assert_allclose(inside, output.logits.detach().squeeze(-1).numpy())


@pytest.mark.parametrize(("labels", "low"), [(SCORE, 0), (SHIFTED, -2)])
def test_argmax_is_the_likeliest_class_outside_training_only(labels: Kind, low: int) -> None:
    head = build(labels, decode="argmax", dropout=0.0)
    expected = build(labels, dropout=0.0)
    expected.load_state_dict(head.state_dict())
    vectors = torch.randn(10, 8)
    assert torch.equal(head(vectors).logits, expected(vectors).logits)  # with a gradient
    head(vectors).logits.sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    output = head.eval()(vectors)
    assert output.class_logits is not None
    assert torch.equal(output.logits.squeeze(-1), output.class_logits.argmax(-1).float() + low)


def test_under_bf16_the_expected_value_keeps_its_digits() -> None:
    head = build(SCORE).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = head(torch.randn(64, 8))
    assert output.class_logits is not None
    exact = output.class_logits.double().softmax(-1) @ torch.arange(6.0, dtype=torch.float64)
    torch.testing.assert_close(output.logits.squeeze(-1).double(), exact, atol=1e-5, rtol=0)


def test_its_scores_are_no_weights() -> None:
    assert set(build(SCORE).state_dict()) == {"linear.weight", "linear.bias"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (Binary(), "kind: regression"),
        (Classification(classes=6), "kind: regression"),
        (Regression(range=(0, 4.5)), "whole numbers"),
        (SCORE, None),
    ],
)
def test_it_refuses_what_has_no_classes(labels: Kind, message: str | None) -> None:
    why = Head.model_validate("scale_softmax").refusal(labels, "cross")
    assert (why is None) if message is None else (message in (why or ""))


def value(logits: torch.Tensor, labels: torch.Tensor, settings: Kind) -> torch.Tensor:
    loss = Loss.model_validate("soft_cross_entropy")
    return loss(HeadOutput(torch.zeros(len(labels), 1), None, logits), loss.targets(labels, settings))


def test_a_label_between_two_classes_is_shared_by_both() -> None:
    logits = torch.randn(4, 6, dtype=torch.float64)
    labels = torch.tensor([3.8, 0.0, 5.0, 2.5], dtype=torch.float64)
    shares = torch.tensor(
        [[0, 0, 0, 0.2, 0.8, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1], [0, 0, 0.5, 0.5, 0, 0]], dtype=torch.float64
    )
    got = value(logits, labels, SCORE)
    torch.testing.assert_close(got, torch.nn.functional.cross_entropy(logits, shares))
    numbers = logits.numpy()
    log_p = numbers - np.log(np.exp(numbers).sum(1, keepdims=True))
    assert got.item() == pytest.approx(-(shares.numpy() * log_p).sum(1).mean(), rel=1e-12)


def test_whole_labels_are_plain_cross_entropy_counted_from_the_lowest() -> None:
    logits = torch.randn(4, 4)
    labels = torch.tensor([-2.0, 1.0, 0.0, -1.0])
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 3, 2, 1]))
    torch.testing.assert_close(value(logits, labels, SHIFTED), expected)


def test_the_loss_needs_the_head() -> None:
    loss = Loss.model_validate("soft_cross_entropy")
    assert "scale_softmax" in (loss.refusal(SCORE, Head.model_validate("linear"), "bi") or "")
    assert loss.refusal(SCORE, Head.model_validate("scale_softmax"), "cross") is None
