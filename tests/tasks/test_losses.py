from __future__ import annotations

import numpy as np
import pytest
import torch

from minbert.tasks.heads import HeadOutput
from minbert.tasks.kinds import LabelSettings
from minbert.tasks.losses import Loss


def output(logits: np.ndarray) -> HeadOutput:
    return HeadOutput(torch.tensor(logits, dtype=torch.float64), None)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_its_formula(smoothing: float) -> None:
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(9, 4)) * 3, random.integers(0, 4, 9)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    target = np.full((9, 4), smoothing / 4) + (1 - smoothing) * np.eye(4)[labels]
    loss = Loss.model_validate({"name": "cross_entropy", "label_smoothing": smoothing})
    got = loss(output(logits), torch.tensor(labels, dtype=torch.float32))
    assert got.item() == pytest.approx(-(target * log_p).sum(1).mean(), rel=1e-12)


def test_binary_cross_entropy_is_its_formula_and_never_overflows() -> None:
    logits = np.array([[-3.0], [0.2], [1.7]])
    labels = np.array([0.0, 1.0, 0.0])
    p = 1 / (1 + np.exp(-logits[:, 0]))
    loss = Loss.model_validate("binary_cross_entropy")
    got = loss(output(logits), torch.tensor(labels, dtype=torch.float64))
    assert got.item() == pytest.approx(-(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean(), rel=1e-12)
    far = loss(output(np.array([[-1e4], [1e4]])), torch.tensor([1.0, 0.0], dtype=torch.float64))
    assert far.item() == pytest.approx(1e4)


def test_mse_compares_row_with_row() -> None:
    loss = Loss.model_validate("mse")
    scores = np.array([[1.0], [2.0], [4.0]])
    assert loss(output(scores), torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)).item() == 0.0
    assert loss(output(scores), torch.tensor([1.0, 3.8, 4.0], dtype=torch.float64)).item() == pytest.approx(1.8**2 / 3)


@pytest.mark.parametrize("name", sorted(Loss.members))
def test_a_batch_cut_in_two_has_the_same_mean(name: str) -> None:
    loss = Loss.model_validate(name)
    logits = torch.randn(5, 3 if loss.kind == "classification" else 1, dtype=torch.float64)
    labels = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    whole = loss(HeadOutput(logits, None), labels)
    parts = [loss(HeadOutput(logits[i:j], None), labels[i:j]) * (j - i) / 5 for i, j in ((0, 2), (2, 5))]
    torch.testing.assert_close(whole, torch.stack(parts).sum())


@pytest.mark.parametrize("name", sorted(Loss.members))
def test_a_loss_refuses_other_kinds(name: str) -> None:
    kinds = {
        "classification": LabelSettings(kind="classification", classes=3),
        "binary": LabelSettings(kind="binary"),
        "regression": LabelSettings(kind="regression", range=(0, 1)),
    }
    loss = Loss.model_validate(name)
    for kind, labels in kinds.items():
        assert (loss.refusal(labels) is None) == (kind == loss.kind)
