"""DistilBERT (Sanh et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from minbert.encoder.architectures.bert import Bert
from minbert.encoder.config import EncoderConfig
from minbert.encoder.layers import Embeddings, EncoderLayer, PostNormLayer


class DistilBert(Bert):
    """BERT without segments and pooler; what attention found is not dropped."""

    model_type = "distilbert"

    config_keys: ClassVar[Mapping[str, str]] = {
        "vocabulary_size": "vocab_size",
        "hidden_size": "dim",
        "layers": "n_layers",
        "attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "max_positions": "max_position_embeddings",
        "hidden_dropout": "dropout",
        "attention_dropout": "attention_dropout",
        "initializer_range": "initializer_range",
        "padding_id": "pad_token_id",
    }
    required_keys: ClassVar[tuple[str, ...]] = (
        "vocab_size",
        "dim",
        "n_layers",
        "n_heads",
        "hidden_dim",
        "max_position_embeddings",
    )
    fixed_keys: ClassVar[Mapping[str, tuple[Any, str]]] = {"activation": Bert.fixed_keys["hidden_act"]}
    model_class = "DistilBertModel"
    masked_lm_class = "DistilBertForMaskedLM"

    classifier_class = "DistilBertForSequenceClassification"
    classifier_activation = "relu"
    classifier_layers: ClassVar[tuple[str, ...]] = ("pre_classifier", "classifier")
    classifier_told = (
        "two layers with a ReLU between them: head mlp with 'pooling: cls' and one hidden layer as wide as the encoder"
    )

    prefix = "distilbert."
    layer_prefix = "transformer.layer."
    modules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "embeddings.word": ("embeddings.word_embeddings",),
        "embeddings.position": ("embeddings.position_embeddings",),
        "embeddings.norm": ("embeddings.LayerNorm",),
        "attention.query_key_value": ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        "attention.output": ("attention.out_lin",),
        "attention_norm": ("sa_layer_norm",),
        "feed_forward.intermediate": ("ffn.lin1",),
        "feed_forward.output": ("ffn.lin2",),
        "feed_forward_norm": ("output_layer_norm",),
    }
    other_heads: ClassVar[tuple[str, ...]] = (
        "vocab_",
        "pre_classifier.",
        "classifier.",
        "qa_outputs.",
        "embeddings.position_ids",
    )
    older_names: ClassVar[Mapping[str, str]] = {}
    masked_lm_names: ClassVar[Mapping[str, str]] = {
        "dense.weight": "vocab_transform.weight",
        "dense.bias": "vocab_transform.bias",
        "norm.weight": "vocab_layer_norm.weight",
        "norm.bias": "vocab_layer_norm.bias",
        "bias": "vocab_projector.bias",
    }
    masked_lm_decoder = "vocab_projector.weight"

    def embeddings(self, config: EncoderConfig) -> Embeddings:
        """See ``Architecture``."""
        return Embeddings(config, segments=False)

    def layer(self, config: EncoderConfig, number: int) -> EncoderLayer:  # noqa: ARG002
        """See ``Architecture``."""
        return PostNormLayer(config, drop_attended=False)

    def pooler(self, config: EncoderConfig) -> None:
        """See ``Architecture``."""
