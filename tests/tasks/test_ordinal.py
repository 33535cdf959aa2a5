"""Classes in order: decisions, heads and losses, against the papers' formulas in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from scipy.special import expit
from torch import Tensor

from minbert.tasks.heads import HeadOutput
from minbert.tasks.heads.coral import CoralHead
from minbert.tasks.heads.corn import CornHead
from minbert.tasks.losses import Loss
from minbert.tasks.settings import TaskSettings


def task(**more: Any) -> TaskSettings:
    return TaskSettings.model_validate({"kind": "ordinal", "classes": 5, **more})


def built(head: str, **more: Any) -> tuple[TaskSettings, Any]:
    torch.manual_seed(2)
    settings = task(head={"name": head, "dropout": 0.0}, **more)
    module = settings.head.build(6, settings.kind, settings.pair).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return settings, module


VECTORS = torch.randn(40, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(40, dtype=torch.float64) % 5


def test_the_median_decides_and_no_class_errs_less() -> None:
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(5) / 2, 200)
    decided = task().kind.decided(shares).values
    expected = np.abs(np.arange(5)[:, None] - np.arange(5)) @ shares.T
    np.testing.assert_allclose(expected[decided.astype(int), np.arange(200)], expected.min(0))
    assert (decided != shares.argmax(1)).any()


def test_coral_is_one_score_with_thresholds_in_order() -> None:
    settings, head = built("coral", loss="coral")
    assert isinstance(head, CoralHead)
    score = head.linear(VECTORS).squeeze(-1).detach().numpy()
    first = head.first.item()
    distances = np.log1p(np.exp(head.gaps.detach().numpy()))
    thresholds = np.array([first, *(first - np.cumsum(distances))])
    assert (np.diff(thresholds) < 0).all()
    above = expit(score[:, None] + thresholds)
    classes = -np.diff(np.concatenate([np.ones((40, 1)), above, np.zeros((40, 1))], 1))
    logits = head(VECTORS).logits.double()
    np.testing.assert_allclose(settings.kind.answers(logits).detach().numpy(), classes, atol=1e-6)
    predicted = settings.kind.predictions(logits.detach())
    np.testing.assert_array_equal(predicted.values, (above > 0.5).sum(1))
    # equation 4 of the paper: a binary cross entropy for every threshold
    levels = (LABELS[:, None] > torch.arange(4)).double()
    cumulative = torch.from_numpy(score)[:, None] + torch.from_numpy(thresholds)
    wanted = F.binary_cross_entropy_with_logits(cumulative, levels, reduction="none").sum(1).mean()
    assert settings.compute_loss(HeadOutput(logits, None), LABELS).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_corn_with_cross_entropy_is_the_loss_of_the_questions_that_are_asked() -> None:
    settings, head = built("corn")
    assert isinstance(head, CornHead)
    asked = head.linear(VECTORS)
    total = torch.zeros(())
    for rank in range(4):  # section 3.2 of the paper: rows that have passed all questions before
        rows = rank - 1 < LABELS
        target = (LABELS[rows] > rank).double()
        total = total + F.binary_cross_entropy_with_logits(asked[rows, rank], target, reduction="sum")
    logits = head(VECTORS).logits.double()
    assert settings.compute_loss(HeadOutput(logits, None), LABELS).item() == pytest.approx(total.item() / 40, rel=1e-5)
    exceeds = np.cumprod(
        expit(asked.detach().numpy()), axis=1
    )  # its answer: how many classes it exceeds, by chain rule
    np.testing.assert_array_equal(settings.kind.predictions(logits.detach()).values, (exceeds > 0.5).sum(1))


@pytest.mark.parametrize("head", ["coral", "corn"])
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("pair", [None, "bi", "joint"])
def test_heads_put_out_probabilities_of_any_number_of_classes(head: str, classes: int, pair: str | None) -> None:
    settings = task(head=head, classes=classes, pair=pair)
    module = settings.head.build(6, settings.kind, settings.pair)
    wide = torch.randn(8, 12 if pair == "joint" else 6)
    logits = module(30 * wide).logits
    assert logits.shape == (4 if pair == "bi" else 8, classes)
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(len(logits)), atol=1e-5, rtol=0)
    settings.compute_loss(HeadOutput(logits, None), torch.zeros(len(logits))).backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in module.parameters())


def test_a_fresh_coral_head_finds_every_class_as_likely_where_its_score_is_0() -> None:
    module = task(head="coral").head.build(6, task().kind, None).eval()
    torch.testing.assert_close(module(torch.zeros(1, 6)).logits.exp(), torch.full((1, 5), 0.2))


@pytest.mark.parametrize("head", ["coral", "corn"])
def test_ordered_heads_are_for_classes_in_order(head: str) -> None:
    with pytest.raises(ValueError, match=f"head '{head}' does not fit: it is for classes in order"):
        TaskSettings.model_validate({"kind": "classification", "classes": 3, "head": head})


def test_a_near_miss_costs_less_than_a_far_one() -> None:
    def loss(probabilities: list[float]) -> float:
        logits = torch.tensor([probabilities], dtype=torch.float64).log()
        return Loss.model_validate("coral")(HeadOutput(logits, None), torch.zeros(1)).item()

    assert loss([0.4, 0.5, 0.1]) < loss([0.4, 0.1, 0.5])
    assert loss([0.4, 0.1, 0.5]) == pytest.approx(-(np.log(0.4) + np.log(0.5)))


def one(weights: Any, kind: str = "ordinal", **more: Any) -> TaskSettings:
    classes = {} if kind == "binary" else {"classes": ["low", "mid", "top"]}
    return TaskSettings.model_validate({"kind": kind, **classes, "class_weights": weights, **more})


@pytest.mark.parametrize("kind", ["classification", "ordinal", "binary"])
def test_balanced_weights_are_scikit_learns(kind: str) -> None:
    from sklearn.utils.class_weight import compute_sample_weight

    labels = np.array([0, 0, 0, 1, 0, 1] if kind == "binary" else [0, 0, 0, 2, 0, 2], dtype=float)
    weights = one("balanced", kind).kind.label_weights(labels)
    assert weights is not None
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", labels))
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("classification", "cross_entropy"),
        ("classification", {"name": "cross_entropy", "label_smoothing": 0.1}),
        ("classification", "ordered_cross_entropy"),
        ("ordinal", "cross_entropy"),
        ("ordinal", "coral"),
        ("binary", "binary_cross_entropy"),
    ],
)
def test_a_weight_counts_as_so_many_rows(kind: str, loss: Any) -> None:
    settings = one({"0" if kind == "binary" else "low": 3}, kind, loss=loss)
    labels = np.array([0.0, 1, 1, 0])
    logits = torch.randn(4, settings.kind.outputs, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def total(rows: list[int], weights: Tensor | None = None) -> float:
        output = HeadOutput(logits[rows], None)
        return len(rows) * settings.compute_loss(output, torch.from_numpy(labels[rows]), None, weights).item()

    weights = settings.kind.label_weights(labels)
    assert weights is not None
    assert weights.tolist() == [3, 1, 1, 3]
    assert total([0, 1, 2, 3], torch.from_numpy(weights)) == pytest.approx(total([0, 0, 0, 1, 2, 3, 3, 3]))


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ("balance", "give 'balanced', or a number for each class"),
        ({}, "give 'balanced', or a number for each class"),
        ({"low": -1}, "class 'low': give a finite number of at least 0; found -1"),
        ({"low": True}, "class 'low': give a finite number"),
        ({True: 1}, "put the classes in quotes"),
        ({"lo": 1}, "class_weights: 'lo' is none of: low, mid, top"),
        ({"low": 1, "0": 2}, "class_weights: class '0' is given twice"),
        ({"low": 0, "mid": 0, "top": 0}, "class_weights: every class has 0"),
    ],
)
def test_weights_that_make_no_sense_are_told(weights: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        one(weights)


def test_losses_that_cannot_weigh_say_why_and_other_kinds_have_no_classes() -> None:
    with pytest.raises(ValueError, match="'class_weights' does not go with loss 'mnrl': it is no mean of"):
        one("balanced", "binary", pair="bi", loss=["binary_cross_entropy", "mnrl"])
    with pytest.raises(ValueError, match="'class_weights' goes with 'kind: binary' or 'kind: classification'"):
        TaskSettings.model_validate({"kind": "regression", "range": [0, 1], "class_weights": "balanced"})


def test_one_number_is_one_class() -> None:
    with pytest.raises(ValueError, match="has one number under two names"):
        TaskSettings.model_validate({"kind": "ordinal", "classes": ["1", "1.0", "2"]})
