"""Heads with layers of their own: mlp, depth, cosine_linear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from minbert.tasks.heads import Head
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.regression import Regression

FIVE = Classification(classes=5)
SCORE = Regression(range=(1.0, 4.0))
YES_NO = Binary()
LAYERED = ["mlp", "depth", "cosine_linear", "scale_softmax", "linear"]


def labels_for(name: str) -> Kind:
    return SCORE if name in ("cosine_linear", "scale_softmax") else FIVE


def widths(head: torch.nn.Module) -> list[int]:
    layers = [module for module in head.modules() if isinstance(module, torch.nn.Linear)]
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


@pytest.mark.parametrize(
    ("settings", "width", "pair", "expected"),
    [
        ({}, 768, None, [768, 256, 64, 5]),
        ({}, 768, "bi", [1536, 512, 64, 5]),
        ({}, 768, "cross", [768, 256, 64, 5]),
        ({"preset": "goel"}, 384, "bi", [768, 256, 32, 5]),
        ({}, 312, None, [312, 104, 26, 5]),
        ({}, 2, None, [2, 1, 1, 5]),
        ({"widths": [7]}, 32, None, [32, 7, 5]),
        ({"widths": [7, 9, 3], "features": ["u", "cosine"]}, 32, "bi", [33, 7, 9, 3, 5]),
    ],
)
def test_mlp_has_the_widths_asked_for(settings: dict[str, Any], width: int, pair: Any, expected: list[int]) -> None:
    head = Head.model_validate({"name": "mlp", **settings}).build(width, FIVE, pair)
    assert widths(head) == expected


def test_mlp_settings_read_back_and_contradictions_are_refused() -> None:
    for settings in ("mlp", {"name": "mlp", "preset": "goel"}, {"name": "mlp", "widths": [3]}):
        head = Head.model_validate(settings)
        assert Head.model_validate(head.model_dump(mode="json")) == head
    assert Head.model_validate({"name": "mlp", "widths": [3]}).model_dump()["preset"] is None
    for wrong in ({"preset": "goel", "widths": [3]}, {"preset": None}, {"widths": []}, {"widths": [0]}):
        with pytest.raises(ValidationError, match=r"preset|widths"):
            Head.model_validate({"name": "mlp", **wrong})


def test_mlp_is_its_formula() -> None:
    head = Head.model_validate({"name": "mlp", "widths": [7, 3]}).build(4, FIVE, "bi").eval()
    vectors = torch.randn(6, 4)
    weights = {name: tensor.detach().double().numpy() for name, tensor in head.named_parameters()}
    x = np.concatenate([vectors[:3].numpy(), vectors[3:].numpy()], axis=1)
    for layer in range(3):
        x = x @ weights[f"layers.{layer}.weight"].T + weights[f"layers.{layer}.bias"]
        x = np.maximum(x, 0) if layer < 2 else x
    np.testing.assert_allclose(head(vectors).logits.detach().numpy(), x, atol=1e-6)


def test_depth_is_its_formula() -> None:
    head = Head.model_validate({"name": "depth", "blocks": 3}).build(4, FIVE, "bi").eval()
    for name, parameter in head.named_parameters():
        if name.startswith("norms"):
            torch.nn.init.normal_(parameter)
    vectors = torch.randn(6, 4)
    weights = {name: tensor.detach().double().numpy() for name, tensor in head.named_parameters()}
    x = np.concatenate([vectors[:3].numpy(), vectors[3:].numpy()], axis=1).astype(np.float64)
    for block in range(3):
        x = x + np.maximum(x @ weights[f"layers.{block}.weight"].T + weights[f"layers.{block}.bias"], 0)
        x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
        x = x * weights[f"norms.{block}.weight"] + weights[f"norms.{block}.bias"]
    x = x @ weights["linear.weight"].T + weights["linear.bias"]
    np.testing.assert_allclose(head(vectors).logits.detach().numpy(), x, atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "lowest", "expected"),
    [(YES_NO, 0, lambda c: c), (SCORE, 0, lambda c: 1 + 3 * c), (SCORE, -1, lambda c: 1 + 3 * (c + 1) / 2)],
)
def test_cosine_linear_adds_the_stretched_cosine(labels: Kind, lowest: int, expected: Any) -> None:
    head = Head.model_validate({"name": "cosine_linear", "lowest_cosine": lowest}).build(4, labels, "bi").eval()
    vectors = torch.randn(10, 4)
    u, v = vectors[:5].double().numpy(), vectors[5:].double().numpy()
    cosine = (u * v).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    weight, bias = (head.get_parameter(f"linear.{part}").detach().double().numpy() for part in ("weight", "bias"))
    wanted = expected(cosine)[:, None] + np.concatenate([u, v], axis=1) @ weight.T + bias
    np.testing.assert_allclose(head(vectors).logits.detach().numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize("name", LAYERED)
def test_the_order_of_a_pair_counts_and_rows_do_not_mix(name: str) -> None:
    head = Head.model_validate({"name": name, "features": ["u", "v"]}).build(24, labels_for(name), "bi").eval()
    first, second = torch.randn(4, 24), torch.randn(4, 24)
    output = head(torch.cat([first, second]))
    assert output.vectors is not None
    assert torch.equal(output.vectors[0], first)
    assert torch.equal(output.vectors[1], second)
    swapped = head(torch.cat([second, first])).logits
    assert not torch.allclose(output.logits, swapped)
    alone = torch.cat([head(torch.stack([first[row], second[row]])).logits for row in range(4)])
    torch.testing.assert_close(output.logits, alone)


@pytest.mark.parametrize("name", LAYERED)
def test_dropout_acts_in_training_only(name: str) -> None:
    head = Head.model_validate({"name": name, "dropout": 0.5}).build(64, labels_for(name), "bi")
    vectors = torch.randn(8, 64)
    assert not torch.equal(head(vectors).logits, head(vectors).logits)
    head.eval()
    assert torch.equal(head(vectors).logits, head(vectors).logits)


@pytest.mark.parametrize("name", ["mlp", "depth", "scale_softmax"])
@pytest.mark.parametrize("pair", [None, "cross", "bi"])
def test_layered_heads_serve_single_texts_and_both_forms_of_pairs(name: str, pair: Any) -> None:
    settings, labels = Head.model_validate(name), labels_for(name)
    assert settings.refusal(labels, pair) is None
    output = settings.build(6, labels, pair).eval()(torch.randn(6, 6))
    assert output.logits.shape == (3 if pair == "bi" else 6, labels.outputs)
    assert output.vectors is not None
    assert [tuple(vectors.shape) for vectors in output.vectors] == ([(3, 6)] * 2 if pair == "bi" else [(6, 6)])


@pytest.mark.parametrize("name", LAYERED)
def test_no_feature_may_come_twice_and_no_head_be_without_blocks(name: str) -> None:
    with pytest.raises(ValidationError, match="twice"):
        Head.model_validate({"name": name, "features": ["u", "u"]})
    with pytest.raises(ValidationError, match="blocks"):
        Head.model_validate({"name": "depth", "blocks": 0})


@pytest.mark.parametrize(("labels", "pair"), [(FIVE, "bi"), (SCORE, "cross"), (SCORE, None), (YES_NO, "cross")])
def test_cosine_linear_refuses_what_it_cannot_score(labels: Kind, pair: Any) -> None:
    assert "pair: bi" in (Head.model_validate("cosine_linear").refusal(labels, pair) or "")


@pytest.mark.parametrize("name", LAYERED)
def test_logits_are_fp32_under_bf16(name: str) -> None:
    head = Head.model_validate(name).build(16, labels_for(name), "bi").eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = head(torch.randn(8, 16).bfloat16())
    assert output.logits.dtype == torch.float32
