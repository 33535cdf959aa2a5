from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from minbert.tasks.heads import Head
from minbert.tasks.heads.features import pair_features
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.regression import Regression
from minbert.tasks.settings import TaskSettings

FIVE = Classification(classes=5)
SCORE = Regression(range=(1.0, 4.0))


def test_features_are_their_formulas_in_the_order_asked() -> None:
    u, v = torch.randn(7, 6, dtype=torch.float64), torch.randn(7, 6, dtype=torch.float64)
    got = pair_features(["cosine", "u*v", "v", "|u-v|", "u"], u, v).numpy()
    a, b = u.numpy(), v.numpy()
    cosine = (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
    wanted = np.concatenate([cosine[:, None], a * b, b, np.abs(a - b), a], axis=1)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_linear_head_on_a_pair_takes_first_texts_then_second_texts() -> None:
    head = (
        Head.model_validate({"name": "linear", "features": ["u", "|u-v|"], "dropout": 0.5}).build(6, FIVE, "bi").eval()
    )
    vectors = torch.randn(8, 6)
    output = head(vectors)
    u, v = vectors[:4], vectors[4:]
    weight, bias = head.get_parameter("linear.weight"), head.get_parameter("linear.bias")
    torch.testing.assert_close(output.logits, torch.cat([u, (u - v).abs()], 1) @ weight.T + bias)
    assert output.vectors is not None
    assert torch.equal(output.vectors[1], v)


@pytest.mark.parametrize("pair", [None, "cross"])
def test_linear_head_on_one_sequence_a_row(pair: str | None) -> None:
    head = Head.model_validate("linear").build(6, FIVE, pair).eval()  # type: ignore[arg-type]
    vectors = torch.randn(3, 6)
    output = head(vectors)
    assert output.logits.shape == (3, 5)
    assert output.vectors is not None
    [kept] = output.vectors
    assert torch.equal(kept, vectors)


@pytest.mark.parametrize("name", ["linear", "mlp", "depth"])
@pytest.mark.parametrize("pair", [None, "bi", "both"])
def test_a_head_that_normalizes_sees_directions_alone(name: str, pair: Any) -> None:
    found = []
    for normalize in (True, False):
        torch.manual_seed(0)
        found.append(Head.model_validate({"name": name, "normalize": normalize}).build(6, FIVE, pair).eval())
    vectors = torch.randn(6, 6)
    lengths = torch.arange(1.0, 7).unsqueeze(1)
    unit = torch.nn.functional.normalize(vectors, dim=1)
    normalized, plain = found
    torch.testing.assert_close(normalized(vectors).logits, plain(unit).logits)
    torch.testing.assert_close(normalized(lengths * vectors).logits, plain(unit).logits)


@pytest.mark.parametrize("name", ["linear", "mlp", "depth", "cosine", "cosine_linear", "scale_softmax"])
def test_a_joint_pairs_vectors_are_two_side_by_side(name: str) -> None:
    heads = []
    for pair in ("bi", "joint"):
        torch.manual_seed(0)
        heads.append(Head.model_validate(name).build(6, SCORE, pair).eval())  # type: ignore[arg-type]
    u, v = torch.randn(2, 3, 6)
    two, joint = heads[0](torch.cat([u, v])), heads[1](torch.cat([u, v], dim=1))
    assert torch.equal(two.logits, joint.logits)
    assert joint.vectors is not None
    assert torch.equal(joint.vectors[1], v)


@pytest.mark.parametrize("name", ["linear", "mlp", "depth", "cosine_linear", "scale_softmax"])
def test_a_pair_read_both_ways_has_a_third_vector_beside_its_features(name: str) -> None:
    torch.manual_seed(0)
    head = Head.model_validate(name).build(96, SCORE, "both").eval()
    u, v, w = torch.randn(3, 4, 96)
    output = head(torch.cat([u, v, w]))
    assert output.vectors is not None
    assert torch.equal(output.vectors[0], u)
    assert torch.equal(output.vectors[1], v)
    assert not torch.equal(head(torch.cat([u, v, w + 1])).logits, output.logits)
    if name == "linear":
        features = torch.cat([u, v, (u - v).abs(), u * v, w], dim=1)
        expected = features @ head.get_parameter("linear.weight").T + head.get_parameter("linear.bias")
        torch.testing.assert_close(output.logits, expected)


def test_dropout_acts_in_training_only() -> None:
    head = Head.model_validate({"name": "linear", "dropout": 0.5}).build(64, FIVE, None)
    vectors = torch.randn(4, 64)
    assert not torch.equal(head(vectors).logits, head(vectors).logits)
    head.eval()
    assert torch.equal(head(vectors).logits, head(vectors).logits)


def test_cosine_head_stretches_to_the_range() -> None:
    head = Head.model_validate("cosine").build(2, SCORE, "bi")
    u = torch.tensor([[2.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    v = torch.tensor([[5.0, 0.0], [0.0, 3.0], [1.0, 0.0], [-1.0, 0.0]])
    scores = head(torch.cat([u, v])).logits.squeeze(-1)
    torch.testing.assert_close(scores, torch.tensor([4.0, 1.0, 1.0 + 3.0 * 0.5**0.5, -2.0]))


def test_cosine_of_a_zero_vector_is_finite_with_a_finite_gradient() -> None:
    head = Head.model_validate("cosine").build(2, SCORE, "bi")
    vectors = torch.zeros(2, 2, requires_grad=True)
    head(vectors).logits.sum().backward()
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


@pytest.mark.parametrize(("labels", "pair"), [(FIVE, "bi"), (SCORE, "cross"), (SCORE, "both"), (SCORE, None)])
def test_cosine_refuses_what_it_cannot_score(labels: Kind, pair: str | None) -> None:
    assert "pair: bi or joint" in (Head.model_validate("cosine").refusal(labels, pair) or "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("linaer", "did you mean 'linear'"),
        ({"name": "linear", "featurs": ["u"]}, "featurs"),
        ({"name": "linear", "features": []}, "features"),
        ({"name": "linear", "features": ["u", "u"]}, "twice"),
        ({"name": "linear", "features": ["u+v"]}, "features"),
        (3, "name"),
    ],
)
def test_wrong_choices_are_explained(choice: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Head.model_validate(choice)


def test_settings_without_a_name_are_meant_for_the_linear_head() -> None:
    assert Head.model_validate({"dropout": 0.25}).model_dump()["dropout"] == 0.25
    assert Head.model_validate({}).name == "linear"


def test_cosine_head_may_use_the_cosines_whole_range() -> None:
    head = Head.model_validate({"name": "cosine", "lowest_cosine": -1}).build(2, SCORE, "bi")
    u = torch.tensor([[2.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    v = torch.tensor([[5.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    torch.testing.assert_close(head(torch.cat([u, v])).logits.squeeze(-1), torch.tensor([4.0, 2.5, 1.0]))


def test_squared_error_against_labels_scaled_to_the_cosines_range_is_a_weight() -> None:
    """Goel et al. compare the cosine with labels scaled to -1..1; 0.16 of ours is the same for labels from 0 to 5."""
    task = TaskSettings.model_validate(
        {
            "kind": "regression",
            "range": [0, 5],
            "pair": "bi",
            "head": {"name": "cosine", "lowest_cosine": -1},
            "loss": {"name": "mse", "weight": 0.16},
        }
    )
    vectors, labels = torch.randn(8, 6), torch.tensor([0.0, 3.8, 5.0, 1.0])
    got = task.compute_loss(task.head.build(6, task.kind, "bi")(vectors), labels)
    cosines = torch.nn.functional.cosine_similarity(vectors[:4], vectors[4:])
    torch.testing.assert_close(got, (cosines - (labels / 2.5 - 1)).square().mean())
