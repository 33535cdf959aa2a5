"""The way through the fused kernel, with a stand-in for the kernel (see conftest.py): no GPU is needed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from minbert.encoder.attention import flash
from minbert.encoder.attention.bins import BinLayout
from minbert.encoder.attention.choosing import choose_layout
from minbert.encoder.attention.flash import FlashLayout
from minbert.encoder.encoder import Encoder

CPU = torch.device("cpu")


@pytest.mark.parametrize("window", [None, 0, 3, 50])
def test_contexts_and_gradients_are_those_of_bins(kernel: Any, window: int | None) -> None:
    offsets = torch.tensor([0, 5, 6, 40, 52])
    generator = torch.Generator().manual_seed(0)
    packed = torch.randn(52, 3 * 2 * 8, generator=generator, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(52, 16, generator=generator, dtype=torch.float64)
    found = []
    for layout in (FlashLayout(offsets, 2, CPU), BinLayout(offsets, 2, CPU)):
        context = layout.attend(packed, 0.0, window)
        found += [context, torch.autograd.grad(context, packed, direction)[0]]
    assert len(kernel.probabilities) == 1
    torch.testing.assert_close(found[0], found[2], rtol=0, atol=1e-12)
    torch.testing.assert_close(found[1], found[3], rtol=0, atol=1e-12)


def test_a_bias_goes_another_way(kernel: Any) -> None:
    offsets, weight = torch.tensor([0, 5, 6]), torch.zeros(1)
    assert isinstance(choose_layout(offsets, 2, 8, weight), FlashLayout)
    assert isinstance(choose_layout(offsets, 2, 8, weight, torch.zeros(2, 9)), BinLayout)
    assert not kernel.probabilities


def test_the_number_format_is_that_of_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash, "_is_new_enough", lambda _device: True)
    offsets, weight = torch.tensor([0, 5, 6]), torch.zeros(1)
    assert isinstance(choose_layout(offsets, 2, 8, weight), BinLayout)
    assert isinstance(choose_layout(offsets, 2, 8, weight.bfloat16()), FlashLayout)
    with torch.autocast("cpu", torch.bfloat16):
        assert isinstance(choose_layout(offsets, 2, 8, weight), FlashLayout)


def test_the_whole_encoder_goes_that_way(
    kernel: Any, monkeypatch: pytest.MonkeyPatch, small_encoder: Encoder, make_batch: Any
) -> None:
    encoder, batch = small_encoder.eval(), make_batch([3, 70, 12])
    with torch.no_grad():
        fused = encoder(batch)
        assert kernel.probabilities == [0.0] * encoder.config.layers  # no dropout outside of training
        kernel.probabilities.clear()
        encoder.train()(batch)
        assert kernel.probabilities == [encoder.config.attention_dropout] * encoder.config.layers
        monkeypatch.undo()
        bins = encoder.eval()(batch)
    torch.testing.assert_close(fused.hidden_states, bins.hidden_states, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "head_size", "device", "served"),
    [
        (torch.bfloat16, 64, "cuda", True),
        (torch.float16, 256, "cuda", True),
        (torch.float32, 64, "cuda", False),
        (torch.bfloat16, 36, "cuda", False),
        (torch.bfloat16, 264, "cuda", False),
        (torch.bfloat16, 64, "cpu", False),
    ],
)
def test_who_is_served(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, head_size: int, device: str, served: bool
) -> None:
    monkeypatch.setattr(flash, "_is_new_enough", lambda device: device.type == "cuda")
    assert flash.has_kernel(torch.device(device), dtype, head_size) is served


def test_the_kernel_has_the_arguments_that_it_is_called_with() -> None:
    names = [argument.name for argument in torch.ops.aten._flash_attention_forward.default._schema.arguments]
    wanted = ["query", "key", "value", "cum_seq_q", "cum_seq_k", "max_q", "max_k", "dropout_p", "is_causal"]
    assert names[:10] == [*wanted, "return_debug_mask"]
    assert {"window_size_left", "window_size_right"} <= set(names)
