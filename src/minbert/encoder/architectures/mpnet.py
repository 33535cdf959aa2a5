"""MPNet (Song et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from minbert.encoder.architectures.bert import Bert
from minbert.encoder.config import EncoderConfig
from minbert.encoder.layers import Embeddings
from minbert.text.template import Template
from minbert.text.tokenizer import Tokenizer

_FIRST_POSITION = 2
"""Row 0 of the table of positions is no token's, row 1 that of padding."""
_BUCKETS = 32
_FARTHEST = 128


class MpnetConfig(EncoderConfig):
    """``EncoderConfig`` with what is the same in every MPNet."""

    model_type: str = "mpnet"
    padding_id: Annotated[int, Field(strict=True, ge=0)] = 1


class RelativeBias(nn.Module):
    """A bias a head for each of 32 ranges of distance, the same in all layers (T5: Raffel et al. 2020, section 2.1).

    Half of them are for keys before the query, half for keys after it: of each half the first are a distance each (0 to
    7), the others as many steps of the logarithm up to 128; the last one holds all that is farther.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.buckets = nn.Embedding(_BUCKETS, heads)

    def forward(self, longest: int) -> Tensor:
        """Return (heads, 2 * longest - 1), for the keys farthest before their query first; see ``choose_layout``."""
        distance = torch.arange(1 - longest, longest, device=self.buckets.weight.device)
        half = _BUCKETS // 2
        exact = half // 2
        near = distance.abs()
        steps = torch.log(near.clamp(min=1) / exact) / math.log(_FARTHEST / exact) * (half - exact)
        far = (exact + steps.long()).clamp(max=half - 1)
        table: Tensor = self.buckets(torch.where(near < exact, near, far) + half * (distance > 0))
        return table.T


class Mpnet(Bert):
    """BERT with positions from 2, no segments, and a relative bias of attention."""

    model_type = "mpnet"

    config_class = MpnetConfig
    config_keys: ClassVar[Mapping[str, str]] = {
        ours: theirs for ours, theirs in Bert.config_keys.items() if ours not in ("segment_types", "padding_id")
    }
    fixed_keys: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "hidden_act": Bert.fixed_keys["hidden_act"],
        "pad_token_id": (1, "so positions do not begin where MPNet's do"),
        "relative_attention_num_buckets": (_BUCKETS, "a number of buckets of distances that no MPNet computes with"),
    }
    model_class = "MPNetModel"
    masked_lm_class = "MPNetForMaskedLM"

    prefix = "mpnet."
    modules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **{ours: theirs for ours, theirs in Bert.modules.items() if ours != "embeddings.segment"},
        "position_bias.buckets": ("encoder.relative_attention_bias",),
        "attention.query_key_value": ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        "attention.output": ("attention.attn.o",),
        "attention_norm": ("attention.LayerNorm",),
    }
    other_heads = ("lm_head.", "classifier.", "qa_outputs.", "embeddings.position_ids")
    older_names: ClassVar[Mapping[str, str]] = {"lm_head.decoder.bias": "lm_head.bias"}
    masked_lm_names: ClassVar[Mapping[str, str]] = {
        "dense.weight": "lm_head.dense.weight",
        "dense.bias": "lm_head.dense.bias",
        "norm.weight": "lm_head.layer_norm.weight",
        "norm.bias": "lm_head.layer_norm.bias",
        "bias": "lm_head.bias",
    }
    masked_lm_decoder = "lm_head.decoder.weight"

    def template(self, tokenizer: Tokenizer) -> Template:
        """Return ``<s> A </s>`` and ``<s> A </s></s> B </s>``."""
        separator = tokenizer.separator_id
        return Template((tokenizer.classification_id,), (separator, separator), (separator,))

    def embeddings(self, config: EncoderConfig) -> Embeddings:
        """See ``Architecture``."""
        return Embeddings(config, first_position=_FIRST_POSITION, segments=False)

    def position_bias(self, config: EncoderConfig) -> RelativeBias:
        """See ``Architecture``."""
        return RelativeBias(config.attention_heads)

    def longest(self, config: EncoderConfig) -> int:
        """See ``Architecture``."""
        return config.max_positions - _FIRST_POSITION
