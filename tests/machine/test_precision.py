"""The choice of number format follows what products cost here, whatever the processor is called."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from minbert.machine import precision
from minbert.machine.precision import fastest_precision


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
