"""BERT (Devlin et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from minbert.encoder.architectures.base import Architecture, ClassifierActivation
from minbert.encoder.config import EncoderConfig
from minbert.encoder.layers import EmbeddingModule, Embeddings, EncoderLayer, PostNormLayer
from minbert.text.template import Template
from minbert.text.tokenizer import Tokenizer


class Bert(Architecture):
    """Word, position and segment embeddings, layers that normalise last, a pooler."""

    model_type = "bert"

    config_keys: ClassVar[Mapping[str, str]] = {
        "vocabulary_size": "vocab_size",
        "hidden_size": "hidden_size",
        "layers": "num_hidden_layers",
        "attention_heads": "num_attention_heads",
        "intermediate_size": "intermediate_size",
        "max_positions": "max_position_embeddings",
        "segment_types": "type_vocab_size",
        "layer_norm_epsilon": "layer_norm_eps",
        "hidden_dropout": "hidden_dropout_prob",
        "attention_dropout": "attention_probs_dropout_prob",
        "initializer_range": "initializer_range",
        "padding_id": "pad_token_id",
    }
    required_keys: ClassVar[tuple[str, ...]] = (
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
    )
    fixed_keys: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "hidden_act": ("gelu", "an activation that this encoder does not have"),
        "position_embedding_type": ("absolute", "so positions are not embedded as BERT embeds them"),
        "is_decoder": (False, "so this is a decoder"),
        "add_cross_attention": (False, "so its layers also attend to another model"),
    }
    model_class = "BertModel"
    masked_lm_class = "BertForMaskedLM"

    classifier_class = "BertForSequenceClassification"
    classifier_activation: ClassVar[ClassifierActivation | None] = "tanh"
    classifier_layers: ClassVar[tuple[str, ...]] = ("bert.pooler.dense", "classifier")
    classifier_told = "one layer over the pooler's output: a linear head with 'pooling: pooler'"

    prefix = "bert."
    layer_prefix = "encoder.layer."
    modules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "embeddings.word": ("embeddings.word_embeddings",),
        "embeddings.position": ("embeddings.position_embeddings",),
        "embeddings.segment": ("embeddings.token_type_embeddings",),
        "embeddings.norm": ("embeddings.LayerNorm",),
        "attention.query_key_value": ("attention.self.query", "attention.self.key", "attention.self.value"),
        "attention.output": ("attention.output.dense",),
        "attention_norm": ("attention.output.LayerNorm",),
        "feed_forward.intermediate": ("intermediate.dense",),
        "feed_forward.output": ("output.dense",),
        "feed_forward_norm": ("output.LayerNorm",),
        "pooler": ("pooler.dense",),
    }
    other_heads: ClassVar[tuple[str, ...]] = (
        "cls.",
        "classifier.",
        "qa_outputs.",
        "embeddings.position_ids",
        "embeddings.token_type_ids",
    )
    older_names: ClassVar[Mapping[str, str]] = {
        "LayerNorm.gamma": "LayerNorm.weight",
        "LayerNorm.beta": "LayerNorm.bias",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }
    masked_lm_names: ClassVar[Mapping[str, str]] = {
        "dense.weight": "cls.predictions.transform.dense.weight",
        "dense.bias": "cls.predictions.transform.dense.bias",
        "norm.weight": "cls.predictions.transform.LayerNorm.weight",
        "norm.bias": "cls.predictions.transform.LayerNorm.bias",
        "bias": "cls.predictions.bias",
    }
    masked_lm_decoder = "cls.predictions.decoder.weight"

    def template(self, tokenizer: Tokenizer) -> Template:
        """Return ``[CLS] A [SEP]`` and ``[CLS] A [SEP] B [SEP]``."""
        separator = (tokenizer.separator_id,)
        return Template((tokenizer.classification_id,), separator, separator)

    def embeddings(self, config: EncoderConfig) -> EmbeddingModule:
        """See ``Architecture``."""
        return Embeddings(config)

    def layer(self, config: EncoderConfig, number: int) -> EncoderLayer:  # noqa: ARG002
        """See ``Architecture``."""
        return PostNormLayer(config)

    def pooler(self, config: EncoderConfig) -> nn.Linear | None:
        """See ``Architecture``."""
        return nn.Linear(config.hidden_size, config.hidden_size)
