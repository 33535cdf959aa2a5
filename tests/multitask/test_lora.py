"""LoRA: the formula, merging, and tasks that keep out of each other's way."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from sharing_models import TASKS, build, joint, states
from torch import nn

from minbert.encoder.config import EncoderConfig
from minbert.encoder.dropout import dropout
from minbert.encoder.encoder import Encoder
from minbert.multitask.adapters import Adapter, Adapters
from minbert.multitask.adapters.lora import Lora, LowRankChange

ALL = ["query", "key", "value", "attention_output", "intermediate", "output"]
LORA: dict[str, Any] = {"name": "lora", "rank": 3, "alpha": 5.0, "targets": ALL}


def changed_by_hand(encoder: Encoder, adapter: nn.Module, scale: float) -> Encoder:
    """Return the encoder with ``W + scale B A`` written into its weights, one matrix after the other."""
    encoder = copy.deepcopy(encoder)
    matrices = dict(adapter.named_parameters())
    width = encoder.config.hidden_size
    for number, layer in enumerate(encoder.layers):
        fused = layer.attention.query_key_value.weight
        weights = {
            "query": fused[:width],
            "key": fused[width : 2 * width],
            "value": fused[2 * width :],
            "attention_output": layer.attention.output.weight,
            "intermediate": layer.feed_forward.intermediate.weight,
            "output": layer.feed_forward.output.weight,
        }
        for target, weight in weights.items():
            if f"layers.{number}.{target}.a" in matrices:
                a, b = (matrices[f"layers.{number}.{target}.{letter}"] for letter in "ab")
                with torch.no_grad():
                    weight += scale * torch.einsum("or,ri->oi", b, a)
    return encoder


@pytest.mark.parametrize("targets", [ALL, ["query", "value"], ["key"], ["output", "attention_output"]])
def test_shared_matrices_are_the_formula(tiny_encoder: Path, targets: list[str]) -> None:
    model = build(tiny_encoder, LORA | {"targets": targets}).double()
    assert model.shared_adapter is not None
    plain = changed_by_hand(model.encoder, model.shared_adapter, 5.0 / 3)
    batch, spans = joint(model, list(TASKS))
    with torch.no_grad():
        expected = plain(batch)
        for whose in (spans, None):
            torch.testing.assert_close(model.read(batch, whose), expected, rtol=0, atol=1e-12)
        assert (model.encoder(batch).hidden_states - expected.hidden_states).abs().max() > 1e-3


def test_each_tasks_own_matrices_are_the_formula_in_a_joint_batch(tiny_encoder: Path) -> None:
    model = build(tiny_encoder, LORA | {"per_task": True}).double()
    order = ["close", "mood", "same", "mood"]
    batch, spans = joint(model, order)
    with torch.no_grad():
        together = model.read(batch, spans).hidden_states
        seen = 0
        for task in order:
            alone, _ = joint(model, [task])
            plain = changed_by_hand(model.encoder, model.adapters[task], 5.0 / 3)
            run = together[seen : seen + len(alone.token_ids)]
            torch.testing.assert_close(run, plain(alone).hidden_states, rtol=0, atol=1e-12)
            seen += len(run)
        assert seen == len(together)


@pytest.mark.parametrize("adapters", [LORA, LORA | {"per_task": True}, "pals"])
def test_fresh_adapters_leave_the_encoder_as_it_was(tiny_encoder: Path, adapters: Any) -> None:
    model = build(tiny_encoder, adapters, stirred=False)
    batch, spans = joint(model, list(TASKS))
    with torch.no_grad():
        got, expected = model.read(batch, spans), model.encoder(batch)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("adapters", [LORA, LORA | {"per_task": True}, "pals"])
def test_fresh_adapters_can_learn_from_the_first_step(tiny_encoder: Path, adapters: Any) -> None:
    model = build(tiny_encoder, adapters, stirred=False)
    batch, spans = joint(model, list(TASKS))
    torch.stack([output.logits.square().sum() for output in model(batch, spans)]).sum().backward()
    adapter = model.shared_adapter or model.adapters["mood"]
    gradients = {name: parameter.grad for name, parameter in adapter.named_parameters()}
    ups = [gradients[name] for name in gradients if name.endswith(".b") or name == "up.weight"]
    assert ups
    assert all(gradient is not None and float(gradient.abs().max()) > 0 for gradient in ups)


@pytest.mark.parametrize("adapters", [LORA | {"per_task": True}, "pals"])
def test_a_tasks_adapter_touches_no_other_task(tiny_encoder: Path, adapters: Any) -> None:
    model = build(tiny_encoder, adapters)
    batch, spans = joint(model, list(TASKS))

    def run() -> dict[str, Any]:
        model.zero_grad(set_to_none=True)
        outputs = model(batch, spans)
        torch.stack([output.logits.square().sum() for output in outputs]).sum().backward()
        gradients = {
            task: [parameter.grad.clone() for parameter in model.private_parameters(task)]  # type: ignore[union-attr]
            for task in TASKS
        }
        return {task: (outputs[index].logits.detach(), gradients[task]) for index, task in enumerate(TASKS)}

    before = run()
    with torch.no_grad():
        for parameter in model.adapters["same"].parameters():
            parameter += 0.5
    after = run()
    for task in ("mood", "close"):
        torch.testing.assert_close(after[task], before[task], rtol=0, atol=0)
    assert not torch.allclose(after["same"][0], before["same"][0], atol=1e-3)


@pytest.mark.parametrize("adapters", [LORA | {"per_task": True}, "pals"])
def test_a_tasks_gradient_in_a_joint_batch_is_its_own(tiny_encoder: Path, adapters: Any) -> None:
    model = build(tiny_encoder, adapters).double()

    def gradients(tasks: list[str]) -> dict[str, torch.Tensor]:
        model.zero_grad(set_to_none=True)
        batch, spans = joint(model, tasks)
        torch.stack([output.logits.double().square().sum() for output in model(batch, spans)]).sum().backward()
        named = model.adapters.named_parameters()
        return {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}

    together = gradients(list(TASKS))
    for task in TASKS:
        alone = gradients([task])
        assert all(name.startswith(f"{task}.") for name in alone)
        for name, gradient in alone.items():
            torch.testing.assert_close(together[name], gradient, rtol=1e-4, atol=1e-6)


def test_merging_gives_the_same_output_in_fp32(tiny_encoder: Path) -> None:
    model = build(tiny_encoder, LORA | {"alpha": 0.3})
    expected = states(model, "mood", "same")
    merged = copy.deepcopy(model.encoder)
    assert model.shared_adapter is not None
    model.shared_adapter.merge(merged)
    batch, _ = joint(model, ["same"])
    with torch.no_grad():
        got = merged(batch).hidden_states
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)
    assert (got - states(build(tiny_encoder), None, "same")).abs().max() > 0.01


def test_pals_cannot_be_merged(tiny_encoder: Path) -> None:
    model = build(tiny_encoder, "pals")
    adapter = model.adapters["mood"]
    assert isinstance(adapter, Adapter)
    with pytest.raises(ValueError, match="cannot be merged"):
        adapter.merge(model.encoder)


def test_dropout_is_of_the_changes_input() -> None:
    change = LowRankChange(Lora(rank=3, alpha=5.0, dropout=0.4), 6, 5)
    with torch.no_grad():
        change.b.normal_()
    inputs = torch.randn(7, 5)
    torch.manual_seed(1)
    got = change.train()(inputs)
    torch.manual_seed(1)
    kept = dropout(inputs, 0.4, training=True)
    assert bool((kept == 0).any())
    torch.testing.assert_close(got, kept @ (5.0 / 3 * change.b @ change.a).T)
    torch.testing.assert_close(change.eval()(inputs), inputs @ change.weight().T)


def test_what_is_trained(tiny_encoder: Path) -> None:
    def count(adapters: Any) -> int:
        model = build(tiny_encoder, adapters)
        heads = sum(parameter.numel() for parameter in model.heads.parameters())
        return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad) - heads

    encoder = sum(parameter.numel() for parameter in build(tiny_encoder).encoder.parameters())
    small = 2 * 2 * (8 * 32 + 32 * 8)  # layers, query and value, A and B
    assert count("none") == encoder
    assert count("lora") == small
    assert count({"name": "lora", "per_task": True}) == 3 * small
    assert count({"name": "lora", "train_encoder": True}) == encoder + small


def test_the_draw_of_a_has_the_variance_it_says() -> None:
    torch.manual_seed(0)
    adapter = Adapters.model_validate({"name": "lora", "rank": 50, "targets": ["output"]}).build(
        EncoderConfig(hidden_size=32, intermediate_size=600, layers=3, attention_heads=2)
    )
    assert adapter is not None
    drawn = torch.stack([parameter.detach() for name, parameter in adapter.named_parameters() if name.endswith(".a")])
    assert drawn.shape == (3, 50, 600)
    assert float(drawn.var()) == pytest.approx(1 / (3 * 600), rel=0.03)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"targets": ["query", "query"]}, "named twice"),
        ({"targets": []}, "targets"),
        ({"targets": ["pooler"]}, "targets"),
        ({"rank": 0}, "rank"),
        ({"alpha": float("inf")}, "alpha"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Adapters.model_validate({"name": "lora", **wrong})
