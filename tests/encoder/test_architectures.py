"""Another family is another file: two of them, as small as they can be, held to transformers' own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from minbert.encoder.architectures import Architecture
from minbert.encoder.architectures.bert import Bert
from minbert.encoder.attention.layout import AttentionLayout
from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.encoder.layers import Embeddings
from minbert.encoder.sources import load_encoder, save_encoder
from minbert.encoder.weights import export_tensors
from minbert.errors import UserError
from minbert.multitask.adapters import Adapters
from minbert.packed import PackedBatch

FIRST_POSITION = 2
BUCKETS, FARTHEST = 32, 128


class LaterEmbeddings(Embeddings):
    """Positions from 2, and no segments."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        del self.segment

    def forward(self, batch: PackedBatch, word_embeddings: Tensor) -> Tensor:
        positions = functional.embedding(batch.positions, self.position.weight[FIRST_POSITION:])
        normalised: Tensor = self.norm(word_embeddings + positions)
        return normalised


class OneSegmentEmbeddings(LaterEmbeddings):
    """Positions from 2, and the same segment everywhere."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.segment = nn.Embedding(1, config.hidden_size)

    def forward(self, batch: PackedBatch, word_embeddings: Tensor) -> Tensor:
        return super().forward(batch, word_embeddings + self.segment.weight[0])


class RelativeBias(nn.Module):
    """T5's buckets of distances, as MPNet takes them over."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.buckets = nn.Embedding(BUCKETS, heads)

    def forward(self, longest: int) -> Tensor:
        distance = torch.arange(1 - longest, longest)
        half = BUCKETS // 2
        exact = half // 2
        near = distance.abs()
        far = exact + (torch.log(near.float() / exact) / math.log(FARTHEST / exact) * (half - exact)).long()
        bucket = torch.where(near < exact, near, far.clamp(max=half - 1)) + half * (distance > 0)
        table: Tensor = self.buckets(bucket)
        return table.T


class Roberta(Bert):
    model_type = "roberta"
    model_class = "RobertaModel"
    prefix = "roberta."

    def embeddings(self, config: EncoderConfig) -> Embeddings:
        return OneSegmentEmbeddings(config)

    def longest(self, config: EncoderConfig) -> int:
        return config.max_positions - FIRST_POSITION


class Mpnet(Roberta):
    model_type = "mpnet"
    model_class = "MPNetModel"
    prefix = "mpnet."
    config_keys: ClassVar[Mapping[str, str]] = {
        ours: theirs for ours, theirs in Bert.config_keys.items() if ours != "segment_types"
    }
    fixed_keys: ClassVar[Mapping[str, tuple[Any, str]]] = {"hidden_act": ("gelu", "an activation that is not ours")}
    modules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **Bert.modules,
        "attention.query_key_value": ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        "attention.output": ("attention.attn.o",),
        "attention_norm": ("attention.LayerNorm",),
        "position_bias.buckets": ("encoder.relative_attention_bias",),
    }

    def embeddings(self, config: EncoderConfig) -> Embeddings:
        return LaterEmbeddings(config)

    def position_bias(self, config: EncoderConfig) -> nn.Module:
        return RelativeBias(config.attention_heads)


FAMILIES = {name: Architecture.members.pop(name) for name in ("roberta", "mpnet")}  # known in this file's tests alone


@pytest.fixture(params=FAMILIES)
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, small_config: EncoderConfig) -> Encoder:
    for name, family in FAMILIES.items():
        monkeypatch.setitem(Architecture.members, name, family)
    changes = {"model_type": request.param, "max_positions": 150, "padding_id": 1, "segment_types": 1}
    if request.param == "mpnet":
        changes["segment_types"] = EncoderConfig().segment_types  # what its files do not say
    return Encoder(small_config.model_copy(update=changes), torch.Generator().manual_seed(1)).eval()


def test_states_and_gradients_are_those_of_transformers_through_files(
    encoder: Encoder,
    tmp_path: Path,
    make_batch: Callable[..., PackedBatch],
    padded: Callable[[PackedBatch], dict[str, Tensor]],
) -> None:
    transformers = pytest.importorskip("transformers")
    save_encoder(encoder, tmp_path / "ours")
    theirs = transformers.AutoModel.from_pretrained(tmp_path / "ours", attn_implementation="eager").eval()
    assert type(theirs).__name__ == encoder.architecture.model_class
    made = make_batch([1, 4, 140, 33, 30])
    batch = replace(made, token_ids=made.token_ids.clamp(min=2))  # 1 is padding, which theirs leaves out of positions
    inputs = padded(batch)
    found = encoder(batch)
    output = theirs(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
    reference = output.last_hidden_state[inputs["attention_mask"] == 1]
    torch.testing.assert_close(found.hidden_states, reference, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.pooled, output.pooler_output, rtol=0, atol=1e-5)
    direction = torch.randn(reference.shape, generator=torch.Generator().manual_seed(2))
    (found.hidden_states * direction).sum().backward()
    (reference * direction).sum().backward()
    if encoder.position_bias is not None:
        ours, of_theirs = encoder.position_bias.buckets.weight.grad, theirs.encoder.relative_attention_bias.weight.grad
        torch.testing.assert_close(ours, of_theirs, rtol=1e-4, atol=1e-4 * float(of_theirs.abs().max()))
    theirs.save_pretrained(tmp_path / "theirs")
    again = load_encoder(str(tmp_path / "theirs"))
    assert again.config == encoder.config
    for name, tensor in export_tensors(encoder).items():
        assert torch.equal(export_tensors(again)[name], tensor), name


def test_a_sequence_ends_where_the_family_says(encoder: Encoder, make_batch: Callable[..., PackedBatch]) -> None:
    assert encoder.longest == 148
    encoder(make_batch([148]))
    with pytest.raises(ValueError, match="has 149 tokens; this encoder has 148"):
        encoder(make_batch([149]))


def test_first_tokens_alone_and_adapters_know_the_family(
    encoder: Encoder, make_batch: Callable[..., PackedBatch]
) -> None:
    batch = make_batch([5, 60, 12])
    firsts = encoder(batch).hidden_states[batch.offsets[:-1]]
    torch.testing.assert_close(encoder(batch, only_first=True).hidden_states, firsts, rtol=0, atol=1e-5)
    adapter = Adapters.model_validate({"name": "lora", "targets": ["query", "intermediate", "output"]})
    built = adapter.build(encoder.config)
    assert built is not None
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(3))
    adapted = encoder(batch, adaptations=built.adaptations([built], batch, [77])).hidden_states
    assert not torch.allclose(adapted, encoder(batch).hidden_states, atol=1e-3)
    built.merge(encoder)
    torch.testing.assert_close(encoder(batch).hidden_states, adapted, rtol=0, atol=1e-4)


def test_a_family_that_is_not_known_is_told_with_those_that_are(encoder: Encoder, tmp_path: Path) -> None:
    save_encoder(encoder, tmp_path)
    del Architecture.members[encoder.config.model_type]
    with pytest.raises(UserError, match=r"config\.json: model_type is '\w+'; minbert reads encoders of type bert"):
        load_encoder(str(tmp_path))


class Places(AttentionLayout):
    def attend(self, query_key_value: Tensor, probability: float, window: int | None = None) -> Tensor:
        raise NotImplementedError


def test_a_layout_tells_each_tokens_place_in_its_sequence() -> None:
    places = Places(torch.tensor([0, 3, 4, 6]), torch.device("cpu")).positions
    assert places.tolist() == [0, 1, 2, 0, 0, 1]
