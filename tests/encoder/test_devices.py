"""Every family on a GPU, in fp32 and through the fused kernel in bf16, held to fp32 on the CPU.

Without a GPU the same is asked of bf16 on the CPU. `benchmarks/gpu.sh` runs this file where there is one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from test_architectures import SIZES
from torch import Tensor

from minbert.encoder.architectures import Architecture
from minbert.encoder.attention import flash
from minbert.encoder.encoder import Encoder
from minbert.packed import PackedBatch

LENGTHS = [1, 4, 140, 33, 30]
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05}
"""The largest relative L2 difference of hidden states and of gradients. bf16 has three digits."""
ON_A_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize(
    ("device", "dtype"),
    [
        ("cpu", torch.bfloat16),
        pytest.param("cuda", torch.float32, marks=ON_A_GPU),
        pytest.param("cuda", torch.bfloat16, marks=ON_A_GPU),
    ],
)
@pytest.mark.parametrize("family", SIZES)
def test_states_and_gradients_are_those_of_fp32_on_the_cpu(
    family: str,
    device: str,
    dtype: torch.dtype,
    make_batch: Callable[..., PackedBatch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder, batch = encoder_of(family), make_batch(LENGTHS)
    batch = replace(batch, token_ids=batch.token_ids.clamp(min=5))  # lower ones are padding in some family
    expected = states_and_gradients(encoder, batch, torch.device("cpu"), torch.float32)
    with counted_kernel_calls(monkeypatch) as calls:
        found = states_and_gradients(encoder, batch, torch.device(device), dtype)
    fused = device == "cuda" and dtype == torch.bfloat16 and family != "mpnet"  # MPNet's scores have a bias
    assert len(calls) == (encoder.config.layers if fused else 0)
    for name, value in expected.items():
        off = float((found[name] - value).norm() / value.norm())
        assert off <= TOLERANCE[dtype], f"{name}: {off}"
        assert off > 0  # something else has been computed


def encoder_of(family: str) -> Encoder:
    """Return a small encoder without dropout, whose heads are as wide as the kernel wants."""
    sizes = {
        "vocabulary_size": 90,
        "hidden_size": 64,
        "layers": 2,
        "attention_heads": 4,
        "intermediate_size": 80,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "initializer_range": 0.1,
    }
    config = Architecture.members[family].config_class(**sizes | {"model_type": family} | SIZES[family])
    return Encoder(config, torch.Generator().manual_seed(1))


def states_and_gradients(
    encoder: Encoder, batch: PackedBatch, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Return the hidden states of a copy of the encoder on a device, and all its gradients end to end."""
    encoder = copy.deepcopy(encoder).to(device).train()
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        states = encoder(batch.to(device)).hidden_states.float()
    direction = torch.randn(states.shape, generator=torch.Generator().manual_seed(2))
    (states * direction.to(device)).sum().backward()
    gradients = [parameter.grad.to_dense() for parameter in encoder.parameters() if parameter.grad is not None]
    whole = torch.cat([gradient.flatten() for gradient in gradients])
    return {"states": states.detach().cpu(), "gradients": whole.float().cpu()}


@contextmanager
def counted_kernel_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    """Yield a list that grows with each call of the fused kernel."""
    calls: list[None] = []
    kernel = flash._kernel

    def counting(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        return kernel(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(flash, "_kernel", counting)
        yield calls
