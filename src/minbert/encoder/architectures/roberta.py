"""RoBERTa (Liu et al. 2019) and its like: XLM-RoBERTa (Conneau et al. 2020) and CamemBERT (Martin et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from minbert.encoder.architectures.bert import Bert
from minbert.encoder.config import EncoderConfig
from minbert.encoder.layers import Embeddings
from minbert.packed import PackedBatch
from minbert.text.template import Template
from minbert.text.tokenizer import Tokenizer


class RobertaConfig(EncoderConfig):
    """``EncoderConfig`` with the padding of a file that does not say which."""

    model_type: str = "roberta"
    padding_id: Annotated[int, Field(strict=True, ge=0)] = 1


class RobertaEmbeddings(Embeddings):
    """BERT's, but all tokens are of the first segment."""

    def of_segments(self, batch: PackedBatch, segment: nn.Embedding) -> Tensor:  # noqa: ARG002
        """See ``Embeddings``."""
        return segment.weight[0]


class Roberta(Bert):
    """BERT with positions that begin after that of padding, one segment, and two separators between texts."""

    model_type = "roberta"

    config_class = RobertaConfig
    special_ids: ClassVar[Mapping[str, str]] = {
        "bos_token_id": "classification_id",
        "eos_token_id": "separator_id",
    }
    model_class = "RobertaModel"
    masked_lm_class = "RobertaForMaskedLM"

    classifier_class = "RobertaForSequenceClassification"
    classifier_layers: ClassVar[tuple[str, ...]] = ("classifier.dense", "classifier.out_proj")

    prefix = "roberta."
    other_heads: ClassVar[tuple[str, ...]] = (
        "lm_head.",
        "classifier.",
        "qa_outputs.",
        "embeddings.position_ids",
        "embeddings.token_type_ids",
    )
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
        return RobertaEmbeddings(config, first_position=self.first_position(config))

    def first_position(self, config: EncoderConfig) -> int:
        """See ``Architecture``."""
        return config.padding_id + 1

    def reads_segments(self, config: EncoderConfig) -> bool:  # noqa: ARG002
        """See ``Architecture``."""
        return False


class XlmRoberta(Roberta):
    """RoBERTa of a hundred languages."""

    model_type = "xlm-roberta"
    model_class = "XLMRobertaModel"
    classifier_class = "XLMRobertaForSequenceClassification"
    masked_lm_class = "XLMRobertaForMaskedLM"


class Camembert(Roberta):
    """RoBERTa of French."""

    model_type = "camembert"
    model_class = "CamembertModel"
    classifier_class = "CamembertForSequenceClassification"
    masked_lm_class = "CamembertForMaskedLM"
