"""The shared bi-LSTM against torch's on each sequence alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sharing_models import TASKS, TEXTS, build, joint
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from minbert.encoder.pooling import pool
from minbert.multitask.shared_layers import SharedLayer
from minbert.multitask.shared_layers.bilstm import BiLstmModule

LENGTHS = [[3, 1, 7, 7, 2, 5], [1], [4, 4, 4], [1, 1], [9, 30, 2]]


def offsets_of(lengths: list[int]) -> Tensor:
    return torch.tensor([0, *np.cumsum(lengths)])


@pytest.mark.parametrize("lengths", LENGTHS)
def test_states_and_gradients_are_those_of_each_sequence_alone(lengths: list[int]) -> None:
    torch.manual_seed(2)
    layer = BiLstmModule(6, 4).double()
    inputs = torch.randn(sum(lengths), 6, dtype=torch.float64, requires_grad=True)
    probe = torch.randn(sum(lengths), 8, dtype=torch.float64)
    states, pooled = layer(inputs, offsets_of(lengths))
    (got,) = torch.autograd.grad((states * probe).sum(), inputs, retain_graph=True)

    alone = [layer.lstm(one.unsqueeze(1))[0].squeeze(1) for one in inputs.split(lengths)]
    torch.testing.assert_close(states, torch.cat(alone), rtol=0, atol=1e-14)
    (expected,) = torch.autograd.grad((torch.cat(alone) * probe).sum(), inputs, retain_graph=True)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-13)
    firsts = torch.stack([one[0] for one in alone])
    torch.testing.assert_close(pooled, torch.tanh(firsts @ layer.pooler.weight.T + layer.pooler.bias))


@pytest.mark.parametrize("lengths", LENGTHS)
def test_states_are_those_of_torch_with_padding(lengths: list[int]) -> None:
    torch.manual_seed(3)
    layer = BiLstmModule(6, 4).double()
    inputs = torch.randn(sum(lengths), 6, dtype=torch.float64)
    padded = pad_sequence(list(inputs.split(lengths)), batch_first=True, padding_value=99.0)
    packed = pack_padded_sequence(padded, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(layer.lstm(packed)[0], batch_first=True)
    real = pad_sequence([torch.ones(n, dtype=torch.bool) for n in lengths], batch_first=True)
    torch.testing.assert_close(layer(inputs, offsets_of(lengths)).hidden_states, expected[real], rtol=0, atol=1e-14)


def test_predictions_do_not_depend_on_company(tiny_encoder: Path) -> None:
    model = build(tiny_encoder, shared_layer="bilstm")
    batch, spans = joint(model, list(TASKS))
    with torch.no_grad():
        together = model(batch, spans)
        for span, output in zip(spans, together, strict=True):
            pack, own = joint(model, [span.task])
            [alone] = model(pack, own)
            torch.testing.assert_close(output.logits, alone.logits, atol=1e-5, rtol=1e-5)
    values = model.predict("close", TEXTS["close"]).values
    singly = [model.predict("close", [text]).values[0] for text in TEXTS["close"]]
    np.testing.assert_allclose(values, singly, atol=1e-5)


def test_heads_see_the_lstms_states_pooled_as_their_task_says(tiny_encoder: Path) -> None:
    model = build(tiny_encoder, shared_layer={"name": "bilstm", "size": 5})
    assert model.shared_layer is not None
    for task in TASKS:
        batch, spans = joint(model, [task])
        with torch.no_grad():
            output = model.shared_layer(model.encoder(batch).hidden_states, batch.offsets)
            vectors = pool(output, batch.offsets, model.tasks[task].pooling)
            assert vectors.shape[1] == 10
            [got] = model(batch, spans)
            torch.testing.assert_close(got.logits, model.head(task)(vectors).logits)
            assert got.vectors is None or got.vectors[0].shape[1] == 10


def test_encoding_is_the_encoders(tiny_encoder: Path) -> None:
    model, plain = build(tiny_encoder, shared_layer="bilstm"), build(tiny_encoder)
    assert np.array_equal(model.encode(["a film", "rice"]), plain.encode(["a film", "rice"]))


@pytest.mark.parametrize(("settings", "width", "expected"), [({}, 32, 32), ({}, 33, 32), ({"size": 7}, 32, 14)])
def test_both_directions_together_have_the_encoders_width(settings: dict[str, Any], width: int, expected: int) -> None:
    layer = SharedLayer.model_validate({"name": "bilstm", **settings}).build(width)
    assert layer is not None
    assert layer.width == expected


def test_the_recurrence_is_not_rounded_under_bf16(tiny_encoder: Path) -> None:
    torch.manual_seed(4)
    layer = BiLstmModule(6, 4)
    inputs = torch.randn(11, 6).bfloat16()
    expected = layer(inputs.float(), offsets_of([4, 7]))
    with torch.autocast("cpu", torch.bfloat16):
        got = layer(inputs, offsets_of([4, 7]))
    assert torch.equal(got.hidden_states, expected.hidden_states)
    model = build(tiny_encoder, shared_layer="bilstm")
    exact, rounded = (model.predict("close", TEXTS["close"], precision).values for precision in ("fp32", "bf16"))  # type: ignore[arg-type]
    np.testing.assert_allclose(rounded, exact, atol=0.2)
