"""Each layer of the encoder at its own learning rate, and the optimizer a recipe names."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.optim.adamaxw import AdamaxW
from minbert.optim.adamw import AdamW
from minbert.optim.settings import OptimizerSettings, make_optimizer, parameter_groups


def _encoder(layers: int) -> Encoder:
    config = EncoderConfig(
        vocabulary_size=11, hidden_size=8, layers=layers, attention_heads=2, intermediate_size=12, max_positions=7
    )
    return Encoder(config)


def _group_of(groups: list[dict[str, Any]], parameter: nn.Parameter) -> dict[str, Any]:
    (group,) = (group for group in groups if any(parameter is member for member in group["params"]))
    return group


def test_rates_rise_from_the_embeddings_to_the_top_layer() -> None:
    encoder, heads = _encoder(3), nn.Linear(8, 2)
    settings = OptimizerSettings(learning_rate=1e-3, head_learning_rate=0.5, layer_decay=0.8, weight_decay=0.1)
    groups = parameter_groups(encoder, heads, settings)
    expected = {
        "embeddings.": 1e-3 * 0.8**3,
        "layers.0.": 1e-3 * 0.8**2,
        "layers.1.": 1e-3 * 0.8,
        "layers.2.": 1e-3,
        "pooler.": 1e-3,
    }
    for name, parameter in encoder.named_parameters():
        (rate,) = (rate for prefix, rate in expected.items() if name.startswith(prefix))
        group = _group_of(groups, parameter)
        assert group["lr"] == group["base_learning_rate"] == pytest.approx(rate, rel=1e-12), name
        assert group["weight_decay"] == (0.1 if parameter.dim() >= 2 else 0.0), name
    assert _group_of(groups, heads.weight)["lr"] == 0.5
    rates = [group["lr"] for group in groups]
    assert rates == sorted(rates)
    assert len(groups) == 2 * (4 + 1)  # the pooler shares the top layer's


@given(layers=st.integers(1, 5), decay=st.floats(0.01, 1.0), frozen=st.sets(st.integers(0, 30)))
@settings(max_examples=30, deadline=None)
def test_every_trained_parameter_is_in_exactly_one_group(layers: int, decay: float, frozen: set[int]) -> None:
    encoder, heads = _encoder(layers), nn.Linear(8, 2)
    for index, parameter in enumerate(encoder.parameters()):
        parameter.requires_grad_(index not in frozen)
    groups = parameter_groups(encoder, heads, OptimizerSettings(layer_decay=decay))
    members = [id(parameter) for group in groups for parameter in group["params"]]
    trained = [p for module in (encoder, heads) for p in module.parameters() if p.requires_grad]
    assert sorted(members) == sorted(map(id, trained))
    assert all(group["params"] for group in groups)
    make_optimizer(groups, OptimizerSettings())  # torch refuses a parameter in two groups


def test_no_layer_decay_leaves_four_groups_in_the_modules_order() -> None:
    encoder, heads = _encoder(3), nn.Linear(8, 2)
    groups = parameter_groups(encoder, heads, OptimizerSettings())
    assert len(groups) == 4
    expected = [parameter for parameter in encoder.parameters() if parameter.dim() >= 2]
    assert all(a is b for a, b in zip(groups[0]["params"], expected, strict=True))


def test_parameter_that_a_head_shares_has_the_embeddings_rate() -> None:
    encoder, heads = _encoder(2), nn.Linear(8, 11, bias=False)
    heads.weight = encoder.embeddings.word.weight
    groups = parameter_groups(encoder, heads, OptimizerSettings(learning_rate=1.0, layer_decay=0.5))
    assert _group_of(groups, heads.weight)["lr"] == 0.25


@pytest.mark.parametrize(("name", "kind"), [("adamw", AdamW), ("adamaxw", AdamaxW)])
def test_a_recipe_names_its_optimizer(name: str, kind: type[torch.optim.Optimizer]) -> None:
    chosen = OptimizerSettings.model_validate({"name": name, "epsilon": 1e-5, "betas": [0.8, 0.9]})
    optimizer = make_optimizer(parameter_groups(_encoder(1), nn.Linear(8, 2), chosen), chosen)
    assert type(optimizer) is kind
    assert {(group["eps"], group["betas"]) for group in optimizer.param_groups} == {(1e-5, (0.8, 0.9))}
    assert all("base_learning_rate" in group for group in optimizer.param_groups)


def test_a_bias_that_all_layers_share_has_the_embeddings_rate() -> None:
    sizes = {"hidden_size": 8, "layers": 2, "attention_heads": 2, "intermediate_size": 12, "max_positions": 9}
    encoder = Encoder(EncoderConfig(model_type="mpnet", vocabulary_size=11, **sizes))
    groups = parameter_groups(encoder, nn.Linear(8, 2), OptimizerSettings(learning_rate=1.0, layer_decay=0.5))
    assert encoder.position_bias is not None
    assert _group_of(groups, encoder.position_bias.buckets.weight)["lr"] == 0.25


def test_adamw_without_layer_decay_and_average_unless_told() -> None:
    default = OptimizerSettings()
    assert (default.name, default.layer_decay, default.ema_decay) == ("adamw", 1.0, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "adamax"},
        {"layer_decay": 0},
        {"layer_decay": 1.1},
        {"layer_decay": math.nan},
        {"ema_decay": 0},
        {"ema_decay": 1.0},
        {"ema_decay": math.nan},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        OptimizerSettings.model_validate(wrong)
