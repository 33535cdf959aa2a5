"""The choice of number format follows what products cost here, whatever the processor is called."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from minbert.machine import precision
from minbert.machine.precision import fastest_precision, mixed_precision, round_once


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    fastest_precision.cache_clear()
    yield
    fastest_precision.cache_clear()


@pytest.mark.parametrize(("bf16_seconds", "chosen"), [(0.001, "bf16"), (0.0019, "fp32"), (0.02, "fp32")])
def test_bf16_must_be_much_faster(monkeypatch: pytest.MonkeyPatch, bf16_seconds: float, chosen: str) -> None:
    seconds = {torch.float32: 0.002, torch.bfloat16: bf16_seconds}
    monkeypatch.setattr(precision, "_product_seconds", seconds.__getitem__)
    assert fastest_precision(torch.device("cpu"))[0] == chosen


def test_products_are_timed_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = []

    def product_seconds(dtype: torch.dtype) -> float:
        timed.append(dtype)
        return 1.0

    monkeypatch.setattr(precision, "_product_seconds", product_seconds)
    assert fastest_precision(torch.device("cpu")) == fastest_precision(torch.device("cpu"))
    assert sorted(map(str, timed)) == ["torch.bfloat16", "torch.float32"]


def test_an_unknown_device_keeps_fp32() -> None:
    assert fastest_precision(torch.device("meta"))[0] == "fp32"


def test_weights_that_are_rounded_once_give_the_same_answers() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 4))
    rows = torch.randn(5, 8)

    def answers() -> torch.Tensor:
        with torch.no_grad(), mixed_precision(rows.device, "bf16"):
            found: torch.Tensor = network(rows)
        return found

    before = answers()
    round_once(network, "fp32")
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    round_once(network, "bf16")
    assert [layer.weight.dtype for layer in network] == [torch.bfloat16, torch.float32, torch.bfloat16]
    assert torch.equal(answers(), before)
