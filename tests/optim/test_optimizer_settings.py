"""Settings are checked, and every parameter gets exactly its own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from minbert.optim.adamw import AdamW
from minbert.optim.settings import OptimizerSettings, parameter_groups


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(5, 4)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.dense = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)


def _names(groups: list[dict[str, Any]], **modules: nn.Module) -> list[set[str]]:
    name_of: dict[Any, str] = {}
    for module_name, module in modules.items():
        for name, parameter in module.named_parameters():
            name_of.setdefault(parameter, f"{module_name}.{name}")
    return [{name_of[parameter] for parameter in group["params"]} for group in groups]


def test_groups_hold_each_trained_parameter_once() -> None:
    encoder, heads = _Encoder(), nn.ModuleDict({"sentiment": nn.Linear(4, 5)})
    settings = OptimizerSettings(learning_rate=1e-5, head_learning_rate=1e-3, weight_decay=0.2, epsilon=1e-7)
    groups = parameter_groups(encoder, heads, settings)
    assert _names(groups, encoder=encoder, heads=heads) == [
        {"encoder.embeddings.weight", "encoder.dense.weight"},
        {"encoder.dense.bias", "encoder.norm.weight", "encoder.norm.bias"},
        {"heads.sentiment.weight"},
        {"heads.sentiment.bias"},
    ]
    assert sum(len(group["params"]) for group in groups) == 7
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (1e-5, 0.2),
        (1e-5, 0.0),
        (1e-3, 0.2),
        (1e-3, 0.0),
    ]
    assert all(group["base_learning_rate"] == group["lr"] for group in groups)
    optimizer = AdamW(groups)
    assert {(group["eps"], group["betas"]) for group in optimizer.param_groups} == {(1e-7, (0.9, 0.999))}


def test_shared_parameter_is_the_encoders() -> None:
    encoder, heads = _Encoder(), nn.Linear(4, 5, bias=False)
    heads.weight = encoder.embeddings.weight  # as a masked-language-model head has it
    groups = parameter_groups(encoder, heads, OptimizerSettings(learning_rate=2e-5, head_learning_rate=1.0))
    assert [parameter for group in groups for parameter in group["params"] if parameter is heads.weight] == [
        heads.weight
    ]
    assert {group["lr"] for group in groups} == {2e-5}


def test_frozen_encoder_leaves_only_the_heads_groups() -> None:
    encoder, heads = _Encoder().requires_grad_(False), nn.Linear(4, 5)
    groups = parameter_groups(encoder, heads, OptimizerSettings())
    assert _names(groups, heads=heads) == [{"heads.weight"}, {"heads.bias"}]


def test_heads_learn_at_the_encoders_rate_where_that_is_asked_for() -> None:
    groups = parameter_groups(
        _Encoder(), nn.Linear(4, 5), OptimizerSettings(learning_rate=3e-5, head_learning_rate=None)
    )
    assert {group["lr"] for group in groups} == {3e-5}


def test_loop_scales_each_groups_own_rate() -> None:
    settings = OptimizerSettings(learning_rate=1.0, head_learning_rate=10.0, warmup=0, decay="linear")
    optimizer = AdamW(parameter_groups(nn.Linear(2, 2), nn.Linear(2, 2), settings))
    for step in range(4):
        for group in optimizer.param_groups:
            group["lr"] = group["base_learning_rate"] * settings.factor(step, 4)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25, 2.5, 2.5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0},
        {"learning_rate": math.inf},
        {"learning_rate": math.nan},
        {"head_learning_rate": -1e-3},
        {"weight_decay": -0.1},
        {"weight_decay": math.nan},
        {"betas": [0.9, 1.0]},
        {"betas": [0.9]},
        {"epsilon": 0},
        {"max_gradient_norm": 0},
        {"decay": "exponential"},
        {"learning_rates": 1e-5},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        OptimizerSettings.model_validate(wrong)


def test_no_clipping_can_be_asked_for() -> None:
    assert OptimizerSettings.model_validate({"max_gradient_norm": None}).max_gradient_norm is None


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_torch_clipping_tells_non_finite_gradients(bad: float) -> None:
    """The loop clips with torch's clip_grad_norm_ and counts on its norm to notice such a step."""
    parameters = [nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2, 2))]
    parameters[0].grad, parameters[1].grad = torch.tensor([1.0, 2.0, bad]), torch.ones(2, 2)
    assert not torch.nn.utils.clip_grad_norm_(parameters, 1.0).isfinite()
