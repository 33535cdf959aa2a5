"""The parts of encoders: embeddings; layers of attention and feed-forward (Vaswani et al. 2017)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from minbert.encoder.adaptation import UNCHANGED, LayerAdaptation, Projection
from minbert.encoder.attention.layout import AttentionLayout
from minbert.encoder.config import EncoderConfig
from minbert.encoder.dropout import dropout
from minbert.packed import PackedBatch


class EmbeddingModule(nn.Module, ABC):
    """What stands below the layers."""

    word: nn.Embedding

    @abstractmethod
    def forward(self, batch: PackedBatch, word_embeddings: Tensor) -> Tensor:
        """Return (T, hidden) from the batch's ``word_embeddings``, (T, width of the embeddings)."""


class Embeddings(EmbeddingModule):
    """Embeddings of words, positions and segments, added, normalised and dropped.

    Args:
        config: of the encoder.
        first_position: the row of the table of positions that a sequence's first token takes.
        segments: whether the family tells a second text from a first by an embedding.
        width: of the embeddings, where it is not that of the hidden states.
    """

    def __init__(
        self, config: EncoderConfig, *, first_position: int = 0, segments: bool = True, width: int | None = None
    ) -> None:
        super().__init__()
        width = width or config.hidden_size
        self.word = nn.Embedding(config.vocabulary_size, width, padding_idx=config.padding_id)
        self.position = nn.Embedding(config.max_positions, width)
        self.segment = nn.Embedding(config.segment_types, width) if segments else None
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_epsilon)
        self.dropout = config.hidden_dropout
        self.first_position = first_position

    def forward(self, batch: PackedBatch, word_embeddings: Tensor) -> Tensor:
        """See ``EmbeddingModule``."""
        embedded = word_embeddings
        if self.segment is not None:
            embedded = embedded + self.of_segments(batch, self.segment)
        embedded = embedded + self.position(batch.positions + self.first_position)
        return dropout(self.norm(embedded), self.dropout, training=self.training)

    def of_segments(self, batch: PackedBatch, segment: nn.Embedding) -> Tensor:
        """Return what is added for segments, (T, hidden) or (hidden,)."""
        embeddings: Tensor = segment(batch.segment_ids)
        return embeddings


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence's tokens to each other, and the projection of what it finds."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dropout = config.attention_dropout
        # One product for the three projections: each reads the same hidden states.
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=config.biases)
        self.output = nn.Linear(config.hidden_size, config.hidden_size, bias=config.biases)

    def forward(
        self,
        hidden: Tensor,
        layout: AttentionLayout,
        adaptation: LayerAdaptation = UNCHANGED,
        tokens: Tensor | None = None,
    ) -> Tensor:
        """Return (T, hidden), or only the rows of the ``tokens`` (N,) that are asked for."""
        query_key_value = adaptation.project("query_key_value", hidden, self.query_key_value(hidden))
        context = self.attend(query_key_value, layout, self.dropout if self.training else 0.0)
        if tokens is not None:
            context = context.index_select(0, tokens)
        return adaptation.project("attention_output", context, self.output(context))

    def attend(self, query_key_value: Tensor, layout: AttentionLayout, probability: float) -> Tensor:
        """Return each token's context; see ``AttentionLayout.attend``."""
        return layout.attend(query_key_value, probability)


class FeedForward(nn.Module):
    """Two linear layers with the exact GELU (Hendrycks and Gimpel 2016) between."""

    def __init__(self, config: EncoderConfig, width: int | None = None) -> None:
        """Let the first layer be as wide as the second, or ``width``."""
        super().__init__()
        self.intermediate = nn.Linear(config.hidden_size, width or config.intermediate_size, bias=config.biases)
        self.output = nn.Linear(config.intermediate_size, config.hidden_size, bias=config.biases)

    def forward(self, hidden: Tensor, adaptation: LayerAdaptation = UNCHANGED) -> Tensor:
        """Return (T, hidden)."""
        activated = self.activate(adaptation.project("intermediate", hidden, self.intermediate(hidden)))
        return adaptation.project("output", activated, self.output(activated))

    def activate(self, intermediate: Tensor) -> Tensor:
        """Return (T, intermediate size) from what the first layer makes."""
        return functional.gelu(intermediate)


class EncoderLayer(nn.Module, ABC):
    """One layer of an encoder."""

    attention: SelfAttention
    feed_forward: FeedForward

    @abstractmethod
    def forward(
        self,
        hidden: Tensor,
        layout: AttentionLayout,
        adaptation: LayerAdaptation = UNCHANGED,
        tokens: Tensor | None = None,
    ) -> Tensor:
        """Return (T, hidden), or only the rows of the ``tokens`` (N,) that are asked for.

        Every token is attended to either way; what only the others' own rows need is not computed. An ``adaptation``
        reckons with all tokens, so the two do not go together.
        """

    def projection(self, name: Projection) -> nn.Linear:
        """Return one of the layer's linear maps."""
        return {
            "query_key_value": self.attention.query_key_value,
            "attention_output": self.attention.output,
            "intermediate": self.feed_forward.intermediate,
            "output": self.feed_forward.output,
        }[name]


class PostNormLayer(EncoderLayer):
    """BERT's layer: attention, then feed-forward; each is dropped, added to what went in, and normalised.

    Args:
        config: of the encoder.
        drop_attended: whether what attention found is dropped.
    """

    def __init__(self, config: EncoderConfig, *, drop_attended: bool = True) -> None:
        super().__init__()
        self.attention = SelfAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon)
        self.dropout = config.hidden_dropout
        self.attended_dropout = config.hidden_dropout if drop_attended else 0.0

    def forward(
        self,
        hidden: Tensor,
        layout: AttentionLayout,
        adaptation: LayerAdaptation = UNCHANGED,
        tokens: Tensor | None = None,
    ) -> Tensor:
        """See ``EncoderLayer``."""
        beside = adaptation.beside(hidden)
        attended = self.attention(hidden, layout, adaptation, tokens)
        attended = dropout(attended, self.attended_dropout, training=self.training)
        if tokens is not None:
            hidden = hidden.index_select(0, tokens)
        hidden = self.attention_norm(hidden + attended)
        transformed = dropout(self.feed_forward(hidden, adaptation), self.dropout, training=self.training)
        total = hidden + transformed
        output: Tensor = self.feed_forward_norm(total if beside is None else total + beside)
        return output


@torch.no_grad()
def initialize(module: nn.Module, standard_deviation: float, generator: torch.Generator | None = None) -> None:
    """Draw fresh weights as BERT does: matrices and embeddings normal, biases and the padding embedding zero.

    Args:
        module: whose linear layers and embeddings are drawn, in the order of ``module.modules()``.
        standard_deviation: of the normal distribution; its mean is 0.
        generator: torch's default generator if none is given.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            part.weight.normal_(0, standard_deviation, generator=generator)
        if isinstance(part, nn.Linear) and part.bias is not None:
            part.bias.zero_()
        if isinstance(part, nn.Embedding) and part.padding_idx is not None:
            part.weight[part.padding_idx].zero_()
