"""MPNet (Song et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minbert.encoder.architectures.roberta import Roberta
from minbert.encoder.config import EncoderConfig
from minbert.encoder.layers import Embeddings

_BUCKETS = 32
_FARTHEST = 128


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


class Mpnet(Roberta):
    """RoBERTa without segments, and with a relative bias of attention."""

    model_type = "mpnet"

    config_keys: ClassVar[Mapping[str, str]] = {
        ours: theirs for ours, theirs in Roberta.config_keys.items() if ours not in ("segment_types", "padding_id")
    }
    fixed_keys: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "hidden_act": Roberta.fixed_keys["hidden_act"],
        "pad_token_id": (1, "so positions do not begin where MPNet's do"),
        "relative_attention_num_buckets": (_BUCKETS, "more or fewer than MPNet computes with"),
    }
    model_class = "MPNetModel"
    masked_lm_class = "MPNetForMaskedLM"

    classifier_class = "MPNetForSequenceClassification"

    prefix = "mpnet."
    modules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **{ours: theirs for ours, theirs in Roberta.modules.items() if ours != "embeddings.segment"},
        "position_bias.buckets": ("encoder.relative_attention_bias",),
        "attention.query_key_value": ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        "attention.output": ("attention.attn.o",),
        "attention_norm": ("attention.LayerNorm",),
    }

    def embeddings(self, config: EncoderConfig) -> Embeddings:
        """See ``Architecture``."""
        return Embeddings(config, first_position=self.first_position(config), segments=False)

    def position_bias(self, config: EncoderConfig) -> RelativeBias:
        """See ``Architecture``."""
        return RelativeBias(config.attention_heads)
