"""Losses over sentence vectors against sentence-transformers', values and gradients, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from minbert.tasks.heads import HeadOutput
from minbert.tasks.losses import Loss


@pytest.fixture(scope="module")
def theirs() -> Any:
    """Their losses, imported by the one worker that needs them: it takes seconds."""
    return pytest.importorskip("sentence_transformers.sentence_transformer.losses")


def vectors(*rows: int) -> list[Tensor]:
    random = torch.Generator().manual_seed(7)
    return [torch.randn(count, 6, generator=random, dtype=torch.float64).requires_grad_() for count in rows]


def ours(name: str, settings: dict[str, Any], first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
    loss = Loss.model_validate({"name": name, **settings})
    return loss(HeadOutput(torch.zeros(len(labels), 1), (first, second)), labels)


def assert_same(loss: Tensor, other: Tensor, leaves: list[Tensor]) -> None:
    torch.testing.assert_close(loss, other, rtol=1e-12, atol=0)
    mine, reference = (torch.autograd.grad(each, leaves) for each in (loss, other))
    for gradient, expected in zip(mine, reference, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("scale", [5.0, 20.0])
@pytest.mark.parametrize("symmetric", [False, True])
def test_mnrl(theirs: Any, scale: float, symmetric: bool) -> None:
    first, second = leaves = vectors(6, 6)
    settings = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"} if symmetric else {}
    reference = theirs.MultipleNegativesRankingLoss(None, scale=scale, **settings)
    loss = ours("mnrl", {"scale": scale, "symmetric": symmetric}, first, second, torch.ones(6))
    assert_same(loss, reference.compute_loss_from_embeddings(leaves, torch.ones(6)), leaves)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("symmetric", [False, True])
def test_mnrl_with_hard_negatives(theirs: Any, columns: int, symmetric: bool) -> None:
    """Theirs has a negative, or several, beside each positive pair; ours has them as rows labelled no."""
    anchors, positives, *negatives = leaves = vectors(4, 4, *[4] * 2 * columns)
    of_anchors, of_positives = negatives[:columns], negatives[columns:]
    # Rows in another order than theirs: who is a negative follows from the label.
    first = torch.cat([*of_anchors, anchors])
    second = torch.cat([*of_positives, positives])
    labels = torch.tensor([0.0] * 4 * columns + [1.0] * 4)
    reference = theirs.MultipleNegativesRankingLoss(None)
    expected = reference.compute_loss_from_embeddings([anchors, positives, *of_positives], labels)
    if symmetric:
        back = reference.compute_loss_from_embeddings([positives, anchors, *of_anchors], labels)
        expected = (expected + back) / 2
    else:
        leaves = [anchors, positives, *of_positives]
    loss = ours("mnrl", {"symmetric": symmetric, "hard_negatives": True}, first, second, labels)
    assert_same(loss, expected, leaves)


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_cosent(theirs: Any, scale: float) -> None:
    first, second = leaves = vectors(8, 8)
    labels = torch.tensor([1.0, 4.0, 2.5, 1.0, 4.0, 3.0, 2.5, 0.0], dtype=torch.float64)
    reference = theirs.CoSENTLoss(None, scale=scale)
    loss = ours("cosent", {"scale": scale}, first, second, labels)
    assert_same(loss, reference.compute_loss_from_embeddings(leaves, labels), leaves)
