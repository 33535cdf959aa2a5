"""Losses that compare sentence vectors, each against its formula in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from minbert.tasks.heads import Head, HeadOutput
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.regression import Regression
from minbert.tasks.losses import Loss

SCORE = Regression(range=(1.0, 4.0))
YES_NO = Binary()


def pairs(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(rows, 5)), random.normal(size=(rows, 5))


def value(loss: Loss, u: np.ndarray, v: np.ndarray, labels: np.ndarray, settings: Kind = YES_NO) -> float:
    output = HeadOutput(torch.zeros(len(u), 1), (torch.tensor(u), torch.tensor(v)))
    return loss(output, loss.targets(torch.tensor(labels), settings)).item()


def cosines(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """All cosines (R, R)."""
    return (u @ v.T) / np.linalg.norm(u, axis=1)[:, None] / np.linalg.norm(v, axis=1)


@pytest.mark.parametrize("margin", [0.0, 0.3, -0.5])
def test_cosine_embedding_is_its_formula_and_torchs(margin: float) -> None:
    u, v = pairs(12)
    labels = np.arange(12.0) % 2
    loss = Loss.model_validate({"name": "cosine_embedding", "margin": margin})
    c = cosines(u, v).diagonal()
    expected = np.where(labels == 1, 1 - c, np.maximum(0, c - margin)).mean()
    got = value(loss, u, v, labels)
    assert got == pytest.approx(expected, rel=1e-12)
    theirs = torch.nn.CosineEmbeddingLoss(margin=margin)
    assert got == pytest.approx(theirs(torch.tensor(u), torch.tensor(v), torch.tensor(labels * 2 - 1)).item())


def test_contrastive_mse_is_its_formula_with_labels_scaled_to_one() -> None:
    u, v = pairs(6)
    loss = Loss.model_validate("contrastive_mse")
    labels = np.array([1.0, 4.0, 2.5, 1.3, 4.0, 3.0])
    expected = ((cosines(u, v) - np.diag((labels - 1) / 3)) ** 2).mean()
    assert value(loss, u, v, labels, SCORE) == pytest.approx(expected, rel=1e-12)
    yes = np.array([1.0, 0, 0, 1, 1, 0])
    expected = ((cosines(u, v) - np.diag(yes)) ** 2).sum() / 36
    assert value(loss, u, v, yes) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_cosent_is_its_formula_with_ties(scale: float) -> None:
    u, v = pairs(7)
    labels = np.array([1.0, 4.0, 2.5, 1.0, 4.0, 3.0, 2.5])
    c = cosines(u, v).diagonal()
    total = 1.0
    for i in range(7):
        for j in range(7):
            if labels[i] > labels[j]:
                total += np.exp(scale * (c[j] - c[i]))
    loss = Loss.model_validate({"name": "cosent", "scale": scale})
    assert value(loss, u, v, labels, SCORE) == pytest.approx(np.log(total), rel=1e-12)


def test_cosent_counts_the_order_of_labels_alone() -> None:
    u, v = pairs(5)
    loss = Loss.model_validate("cosent")
    labels = np.array([1.0, 2.0, 2.0, 3.5, 4.0])
    assert value(loss, u, v, labels, SCORE) == value(loss, u, v, np.exp(labels) / 20, SCORE)
    assert value(loss, u, v, np.full(5, 2.0), SCORE) == 0.0
    assert value(loss, u[:1], v[:1], labels[:1], SCORE) == 0.0


def test_cosent_does_not_overflow() -> None:
    u = np.array([[1.0, 0.0], [1.0, 0.0]])
    v = np.array([[-1.0, 0.0], [1.0, 0.0]])
    loss = Loss.model_validate({"name": "cosent", "scale": 1e4})
    assert value(loss, u, v, np.array([1.0, 0.0])) == pytest.approx(2e4)


def test_settings_that_make_no_sense_are_refused() -> None:
    for settings in ({"name": "cosent", "scale": 0}, {"name": "cosine_embedding", "margin": 1.5}):
        with pytest.raises(ValueError, match=r"scale|margin"):
            Loss.model_validate(settings)
    assert Loss.model_validate("cosine_embedding").refusal(SCORE, Head.model_validate({}), "bi") is not None
