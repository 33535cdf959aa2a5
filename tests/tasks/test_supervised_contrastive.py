"""The supervised contrastive loss: its formula, which rows count, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from laws import each
from minbert.tasks.heads import Head, HeadOutput
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.losses import Loss
from minbert.tasks.settings import TaskSettings

THREE = Classification(classes=3)
LABELS = [0.0, 2.0, 0.0, 1.0, 2.0, 0.0]
"""The row of label 1 has no other of its own."""


def vectors(rows: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 5, generator=random, dtype=torch.float64).requires_grad_()


def run(z: torch.Tensor, labels: list[float], temperature: float = 0.1) -> torch.Tensor:
    loss = Loss.model_validate({"name": "supervised_contrastive", "temperature": temperature})
    return loss(HeadOutput(torch.zeros(len(labels), 3), (z,)), torch.tensor(labels))


def by_hand(z: np.ndarray, labels: list[float], temperature: float) -> float:
    """Equation 2, anchor by anchor, over those that have a positive."""
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    rows, anchors = range(len(labels)), []
    for i in rows:
        positives = [p for p in rows if p != i and labels[p] == labels[i]]
        others = sum(np.exp(z[i] @ z[a] / temperature) for a in rows if a != i)
        if positives:
            terms = [np.log(np.exp(z[i] @ z[p] / temperature) / others) for p in positives]
            anchors.append(-sum(terms) / len(positives))
    return float(np.mean(anchors))


@each("temperature", [0.07, 0.3, 2.0])
def test_it_is_equation_2(temperature: float) -> None:
    z = vectors(6)
    expected = by_hand(z.detach().numpy(), LABELS, temperature)
    assert run(z, LABELS, temperature).item() == pytest.approx(expected, rel=1e-12)


def test_its_gradient_is_that_of_the_formula() -> None:
    assert torch.autograd.gradcheck(lambda z: run(z, LABELS, 0.5), (vectors(6),))


def test_order_names_of_labels_and_lengths_of_vectors_do_not_matter() -> None:
    z, order = vectors(6), [3, 1, 5, 0, 2, 4]
    same = [
        run(z[order], [LABELS[row] for row in order]),
        run(z, [{0.0: 1.0, 1.0: 2.0, 2.0: 0.0}[label] for label in LABELS]),
        run(z * torch.arange(1, 7)[:, None], LABELS),
    ]
    torch.testing.assert_close(torch.stack(same), run(z, LABELS).expand(3))


def test_a_row_without_a_positive_is_no_anchor_but_the_others_are_told_from_it() -> None:
    z = vectors(6)
    run(z, LABELS).backward()
    assert z.grad is not None
    assert (z.grad[3] != 0).any()
    assert run(z, LABELS) > run(z[[0, 1, 2, 4, 5]], [0.0, 2.0, 0.0, 2.0, 0.0])


def test_in_a_batch_of_one_class_the_rows_still_attract_each_other() -> None:
    """The loss is least, the logarithm of the other rows' number, where all vectors point one way."""
    apart = run(vectors(4), [1.0] * 4, 0.5).item()
    assert apart == pytest.approx(by_hand(vectors(4).detach().numpy(), [1.0] * 4, 0.5), rel=1e-12)
    assert apart > np.log(3)
    assert run(vectors(1).expand(4, 5), [1.0] * 4, 0.5).item() == pytest.approx(np.log(3))


@each("labels", [[0.0, 1.0, 2.0], [1.0]])
def test_where_no_two_rows_share_a_label_it_is_zero_with_a_graph(labels: list[float]) -> None:
    z = vectors(len(labels))
    loss = run(z, labels)
    assert loss.item() == 0.0
    loss.backward()
    assert z.grad is not None
    assert (z.grad == 0).all()


def test_it_takes_rows_of_one_vector() -> None:
    loss = Loss.model_validate("supervised_contrastive")
    linear = Head.model_validate("linear")
    assert loss.refusal(THREE, linear, None) is None
    assert loss.refusal(THREE, linear, "cross") is None
    for pair in ("bi", "joint", "both"):
        assert "one vector each" in (loss.refusal(THREE, linear, pair) or "")  # type: ignore[arg-type]


def test_sets_of_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="it trains tasks of kind classification or binary or ordinal"):
        TaskSettings.model_validate({"kind": "multilabel", "classes": ["a", "b"], "loss": "supervised_contrastive"})


def test_beside_cross_entropy_both_count_and_the_head_is_trained() -> None:
    task = TaskSettings.model_validate(
        {
            "kind": "classification",
            "classes": 3,
            "loss": ["cross_entropy", {"name": "supervised_contrastive", "weight": 0.5, "temperature": 0.2}],
        }
    )
    z, logits, labels = vectors(6), torch.randn(6, 3, dtype=torch.float64), torch.tensor(LABELS)
    got = task.compute_loss(HeadOutput(logits, (z,)), labels)
    expected = torch.nn.functional.cross_entropy(logits, labels.long()) + 0.5 * run(z, LABELS, 0.2)
    torch.testing.assert_close(got, expected)
    assert task.trains_head
    assert task.whole_batches
    assert [loss.name for loss in task.as_solved().losses] == ["cross_entropy"]
