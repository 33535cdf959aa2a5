"""ELECTRA (Clark et al. 2020): its discriminators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from minbert.encoder.architectures.bert import Bert
from minbert.encoder.config import Count, EncoderConfig
from minbert.encoder.layers import Embeddings
from minbert.packed import PackedBatch


class ElectraConfig(EncoderConfig):
    """``EncoderConfig`` with embeddings as wide as they like."""

    model_type: str = "electra"
    embedding_size: Count = 768


class ElectraEmbeddings(Embeddings):
    """BERT's, projected to the width of the layers where theirs is another."""

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__(config, width=config.embedding_size)
        fits = config.embedding_size == config.hidden_size
        self.projection = None if fits else nn.Linear(config.embedding_size, config.hidden_size)

    def forward(self, batch: PackedBatch, word_embeddings: Tensor) -> Tensor:
        """See ``Embeddings``."""
        embedded = super().forward(batch, word_embeddings)
        return embedded if self.projection is None else self.projection(embedded)


class Electra(Bert):
    """BERT with embeddings of their own width, and without a pooler."""

    model_type = "electra"

    config_class = ElectraConfig
    config_keys: ClassVar[Mapping[str, str]] = {**Bert.config_keys, "embedding_size": "embedding_size"}
    required_keys: ClassVar[tuple[str, ...]] = (*Bert.required_keys, "embedding_size")
    model_class = "ElectraModel"
    remarks: ClassVar[Mapping[str, str]] = {
        "ElectraForMaskedLM": "is the generator of an ELECTRA, which its authors use only to train the discriminator. "
        "They fine-tune the discriminator. Choose that, unless you mean this one."
    }
    no_masked_lm = (
        "is an ELECTRA. Its pretraining needs a generator and a discriminator at once, and minbert guesses hidden "
        "tokens with one encoder. Choose an encoder of another family for that."
    )

    classifier_class = "ElectraForSequenceClassification"
    classifier_activation = None
    classifier_told = "two layers with a GELU between them, as no head of minbert is"

    prefix = "electra."
    modules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **{ours: theirs for ours, theirs in Bert.modules.items() if ours != "pooler"},
        "embeddings.projection": ("embeddings_project",),
    }
    other_heads: ClassVar[tuple[str, ...]] = (
        "discriminator_predictions.",
        "generator_predictions.",
        "generator_lm_head.",
        "classifier.",
        "qa_outputs.",
        "sequence_summary.",
        "embeddings.position_ids",
        "embeddings.token_type_ids",
    )

    def embeddings(self, config: EncoderConfig) -> Embeddings:
        """See ``Architecture``."""
        assert isinstance(config, ElectraConfig)
        return ElectraEmbeddings(config)

    def pooler(self, config: EncoderConfig) -> None:
        """See ``Architecture``."""
