"""Batches of bf16 products on a CPU are filled up to sizes that come again."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from minbert.encoder import encoder as encoder_module
from minbert.encoder.encoder import Encoder
from minbert.encoder.kernel_sizes import filled_up, made_for_each_size
from minbert.packed import PackedBatch

MakeBatch = Callable[..., PackedBatch]


@pytest.mark.parametrize(
    ("tokens", "common"),
    [(1, 32), (31, 32), (32, 32), (33, 64), (200, 224), (1000, 1024), (1025, 1088), (2049, 2176), (5000, 5120)],
)
def test_sizes_are_common(make_batch: MakeBatch, tokens: int, common: int) -> None:
    batch = make_batch([tokens])
    filled = filled_up(batch, 512)
    assert len(filled.token_ids) == len(filled.segment_ids) == len(filled.positions) == filled.offsets[-1] == common
    assert filled.lengths.tolist() == [tokens, common - tokens] if common > tokens else filled is batch
    assert filled.positions[tokens:].tolist() == list(range(common - tokens))


def test_few_sizes_and_little_filling(make_batch: MakeBatch) -> None:
    sizes = {tokens: len(filled_up(make_batch([tokens]), 512).token_ids) for tokens in range(512, 4097)}
    assert len(set(sizes.values())) == 3 * 16 + 1
    assert max(filled / tokens for tokens, filled in sizes.items()) < 17 / 16


def test_no_word_gets_a_gradient_that_had_none(make_batch: MakeBatch) -> None:
    batch = make_batch([7, 2])
    assert set(filled_up(batch, 512).token_ids.tolist()) == set(batch.token_ids.tolist())


def test_a_short_encoder_takes_the_batch_as_it_is(make_batch: MakeBatch) -> None:
    batch = make_batch([8, 8, 4])
    assert len(filled_up(batch, 12)) == 4
    assert filled_up(batch, 11) is batch


def test_only_bf16_on_a_cpu_needs_it() -> None:
    weight = torch.zeros(1)
    assert not made_for_each_size(weight)
    assert made_for_each_size(weight.bfloat16())
    assert not made_for_each_size(weight.bfloat16().to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert made_for_each_size(weight)


@pytest.mark.parametrize("only_first", [False, True])
def test_the_filling_is_never_seen(
    small_encoder: Encoder, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch, only_first: bool
) -> None:
    plain, filled = small_encoder.double(), copy.deepcopy(small_encoder)
    batch = make_batch([3, 40, 1, 26])
    expected = plain(batch, only_first=only_first)
    monkeypatch.setattr(encoder_module, "made_for_each_size", lambda _weight: True)
    found = filled(batch, only_first=only_first)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    for output in (expected, found):
        (output.hidden_states.square().sum() + output.pooled.sum()).backward()
    for ours, theirs in zip(filled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-10)


def test_products_in_bf16_have_common_sizes(small_encoder: Encoder, make_batch: MakeBatch) -> None:
    sizes = set()

    def note(_module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        sizes.add(len(given[0]))

    for layer in small_encoder.layers:
        layer.feed_forward.intermediate.register_forward_pre_hook(note)
    with torch.autocast("cpu", torch.bfloat16):
        for lengths in ([3, 40, 1, 26], [9, 60], [77]):
            assert len(small_encoder(make_batch(lengths)).hidden_states) == sum(lengths)
    assert sizes == {96}
