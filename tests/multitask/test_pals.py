"""Projected attention layers against the same computed on padded tensors, line by line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from sharing_models import TASKS, build, joint, states
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from minbert.encoder.encoder import Encoder
from minbert.multitask.adapters import Adapters
from minbert.multitask.adapters.pals import Pals
from minbert.packed import PackedBatch


def padded_attention(query: Tensor, key: Tensor, value: Tensor, real: Tensor, heads: int) -> Tensor:
    def split(x: Tensor) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    query, key, value = split(query), split(key), split(value)
    scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(~real[:, None, None, :], float("-inf"))
    return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)


def padded_bert(encoder: Encoder, pal: nn.Module, heads: int, batch: PackedBatch) -> Tensor:
    """Return the token states (T, hidden) of an encoder with one task's PALs, computed with padding."""
    lengths = batch.lengths.tolist()
    ids, segments, positions = (
        pad_sequence(list(tokens.split(lengths)), batch_first=True)
        for tokens in (batch.token_ids, batch.segment_ids, batch.positions)
    )
    real = pad_sequence([torch.ones(n, dtype=torch.bool) for n in lengths], batch_first=True)
    w = dict(encoder.named_parameters()) | {f"pal.{name}": p for name, p in pal.named_parameters()}

    def linear(name: str, x: Tensor) -> Tensor:
        return functional.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(name: str, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], 1e-12)

    embedded = [w[f"embeddings.{n}.weight"][i] for n, i in (("word", ids), ("segment", segments))]
    h = norm("embeddings.norm", embedded[0] + embedded[1] + w["embeddings.position.weight"][positions])
    for number in range(encoder.config.layers):
        layer = f"layers.{number}"
        small = linear("pal.down", h)
        small = padded_attention(*linear(f"pal.{layer}", small).chunk(3, dim=-1), real, heads)
        beside = functional.gelu(linear("pal.up", small))
        qkv = linear(f"{layer}.attention.query_key_value", h).chunk(3, dim=-1)
        attended = linear(f"{layer}.attention.output", padded_attention(*qkv, real, encoder.config.attention_heads))
        h = norm(f"{layer}.attention_norm", h + attended)
        inner = functional.gelu(linear(f"{layer}.feed_forward.intermediate", h))
        h = norm(f"{layer}.feed_forward_norm", h + linear(f"{layer}.feed_forward.output", inner) + beside)
    return h[real]


@pytest.mark.parametrize("settings", [{}, {"size": 20, "heads": 4}, {"size": 7, "heads": 1}])
def test_a_joint_batch_equals_each_task_computed_with_padding(tiny_encoder: Path, settings: dict[str, Any]) -> None:
    model = build(tiny_encoder, {"name": "pals", **settings}).double()
    order = ["same", "close", "mood", "close"]
    batch, spans = joint(model, order)
    with torch.no_grad():
        together = model.read(batch, spans).hidden_states
        expected = [
            padded_bert(model.encoder, model.adapters[task], settings.get("heads", 6), joint(model, [task])[0])
            for task in order
        ]
    torch.testing.assert_close(together, torch.cat(expected), rtol=0, atol=1e-12)


def test_the_padded_computation_without_pals_is_the_encoder(tiny_encoder: Path) -> None:
    model = build(tiny_encoder, "pals", stirred=False).double()
    batch, _ = joint(model, ["close"])
    with torch.no_grad():
        expected = model.encoder(batch).hidden_states
        torch.testing.assert_close(padded_bert(model.encoder, model.adapters["mood"], 6, batch), expected)


def test_tasks_read_the_same_texts_differently_and_encoding_reads_them_plainly(tiny_encoder: Path) -> None:
    model, plain = build(tiny_encoder, "pals"), build(tiny_encoder)
    as_mood, as_same, as_none = (states(model, task, "mood") for task in ("mood", "same", None))
    assert (as_mood - as_same).abs().max() > 0.1
    assert torch.equal(as_none, states(plain, None, "mood"))
    assert (model.encode(["a film"]) == plain.encode(["a film"])).all()


def test_projections_are_one_pair_for_all_layers(tiny_encoder: Path) -> None:
    model = build(tiny_encoder, {"name": "pals", "size": 12})
    one = sum(parameter.numel() for parameter in model.adapters["mood"].parameters())
    assert one == (32 * 12 + 12) + 2 * (12 * 36 + 36) + (12 * 32 + 32)
    assert list(model.adapters) == list(TASKS)
    assert all(parameter.requires_grad for parameter in model.parameters())
    frozen = build(tiny_encoder, {"name": "pals", "train_encoder": False})
    assert not any(parameter.requires_grad for parameter in frozen.encoder.parameters())


@pytest.mark.parametrize(("width", "size"), [(768, 204), (384, 102), (128, 36), (32, 6), (12, 6)])
def test_the_size_follows_the_width_as_204_does_768(width: int, size: int) -> None:
    assert Pals().attention_size(width) == size


def test_attention_is_dropped_in_training_only(tiny_encoder: Path) -> None:
    model = build(tiny_encoder, "pals")
    for adapter in model.adapters.values():
        adapter.train()
    encoder_still = states(model, "mood", "mood")
    model.eval()
    assert (encoder_still - states(model, "mood", "mood")).abs().max() > 1e-3


@pytest.mark.parametrize("wrong", [{"size": 20}, {"size": 0}, {"heads": 0}, {"per_task": False}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Adapters.model_validate({"name": "pals", **wrong})
