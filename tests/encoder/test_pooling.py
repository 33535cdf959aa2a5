from __future__ import annotations

import pytest
import torch

from minbert.encoder.encoder import EncoderOutput
from minbert.encoder.pooling import Pooling, mean_tokens_of_texts, pool

LENGTHS = [3, 1, 40, 2]
OFFSETS = torch.tensor([0, *LENGTHS]).cumsum(0)


def output(dtype: torch.dtype = torch.float64) -> EncoderOutput:
    generator = torch.Generator().manual_seed(0)
    hidden, pooled = (torch.randn(rows, 6, generator=generator, dtype=torch.float64) for rows in (sum(LENGTHS), 4))
    return EncoderOutput(hidden.to(dtype).requires_grad_(), pooled.to(dtype))


def test_each_way_of_pooling() -> None:
    encoded = output()
    sequences = encoded.hidden_states.split(LENGTHS)
    assert pool(encoded, OFFSETS, "pooler") is encoded.pooled
    assert torch.equal(pool(encoded, OFFSETS, "cls"), torch.stack([sequence[0] for sequence in sequences]))
    means = torch.stack([sequence.mean(0) for sequence in sequences])
    torch.testing.assert_close(pool(encoded, OFFSETS, "mean"), means, rtol=0, atol=1e-14)


@pytest.mark.parametrize("how", ["cls", "mean"])
def test_the_gradient_is_that_of_the_formula(how: Pooling) -> None:
    hidden = output().hidden_states
    assert torch.autograd.gradcheck(lambda states: pool(EncoderOutput(states, states), OFFSETS, how), (hidden,))


def test_means_of_bf16_are_added_in_fp32() -> None:
    states = torch.full((4096, 1), 1.0078125, dtype=torch.bfloat16)  # 1 + 2^-7: sums in bf16 would stop at 256
    mean = pool(EncoderOutput(states, states), torch.tensor([0, 4096]), "mean")
    assert mean.dtype == torch.float32
    assert mean.item() == 1.0078125


SEGMENTS = torch.cat([torch.tensor([0, 0, 1]), torch.zeros(1), torch.arange(40) // 25, torch.tensor([0, 1])]).long()
"""A pair, a single text of one token, and two more pairs."""


def test_means_of_texts_are_those_of_each_texts_own_tokens() -> None:
    hidden = output().hidden_states
    expected = []
    for states, segments in zip(hidden.split(LENGTHS), SEGMENTS.split(LENGTHS), strict=True):
        second = states[segments == 1].mean(0) if (segments == 1).any() else torch.zeros(6, dtype=states.dtype)
        expected.append(torch.cat([states[segments == 0].mean(0), second]))
    torch.testing.assert_close(
        mean_tokens_of_texts(hidden, SEGMENTS, OFFSETS), torch.stack(expected), rtol=0, atol=1e-14
    )
    assert torch.autograd.gradcheck(lambda states: mean_tokens_of_texts(states, SEGMENTS, OFFSETS), (hidden,))
