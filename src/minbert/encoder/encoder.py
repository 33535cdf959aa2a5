"""An encoder over packed batches: the token table's tokens in, hidden states and pooled vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from minbert import randomness
from minbert.encoder.adaptation import UNCHANGED, LayerAdaptation
from minbert.encoder.architectures import Architecture, architecture_of
from minbert.encoder.attention.choosing import choose_layout
from minbert.encoder.attention.layout import AttentionLayout
from minbert.encoder.config import EncoderConfig
from minbert.encoder.kernel_sizes import filled_up, made_for_each_size
from minbert.encoder.layers import initialize
from minbert.packed import PackedBatch


class EncoderOutput(NamedTuple):
    """What the encoder makes of a packed batch of ``T`` tokens in ``N`` sequences."""

    hidden_states: Tensor
    """(T, hidden): the last layer's, token by token; (N, hidden) where only first tokens were asked for."""
    pooled: Tensor | None
    """(N, hidden): a tanh layer on each sequence's first token; None where the encoder has no pooler."""


class Encoder(nn.Module):
    """An encoder with fresh weights.

    Args:
        config: its family and sizes.
        generator: draws the weights; torch's default generator if none is given.
        pooler: whether it has a pooler, if the family knows one.
    """

    def __init__(self, config: EncoderConfig, generator: torch.Generator | None = None, *, pooler: bool = True) -> None:
        super().__init__()
        self.config = config
        family = self.architecture
        self.embeddings = family.embeddings(config)
        self.position_bias = family.position_bias(config)
        self.layers = nn.ModuleList(family.layer(config, number) for number in range(config.layers))
        self.last_norm = family.last_norm(config)
        self.pooler = family.pooler(config) if pooler else None
        initialize(self, config.initializer_range, generator)

    @property
    def architecture(self) -> Architecture:
        """The family that it is of."""
        return architecture_of(self.config)

    @property
    def longest(self) -> int:
        """How many tokens a sequence may have."""
        return self.architecture.longest(self.config)

    def add_word_embeddings(self, tokens: range) -> None:
        """Give ``tokens``, whose ids follow all that are in use, embeddings drawn as if from those that there are.

        They have the mean and the deviation of each dimension. All runs draw the same, so that they can be averaged.
        """
        old = self.embeddings.word
        used = old.weight.detach()[: tokens.start]
        noise = randomness.generator(0, "new tokens").standard_normal((len(tokens), used.shape[1]), dtype=np.float32)
        drawn = used.mean(0) + used.std(0) * torch.from_numpy(noise)
        size = max(old.num_embeddings, tokens.stop)
        self.embeddings.word = nn.Embedding(size, old.embedding_dim, padding_idx=old.padding_idx)
        with torch.no_grad():
            self.embeddings.word.weight[: old.num_embeddings] = old.weight
            self.embeddings.word.weight[tokens.start : tokens.stop] = drawn
        self.config = self.config.model_copy(update={"vocabulary_size": size})

    def word_embeddings(self, batch: PackedBatch) -> Tensor:
        """Return the batch's word embeddings (T, hidden), before positions, segments and normalisation."""
        embeddings: Tensor = self.embeddings.word(batch.token_ids)
        return embeddings

    def forward(
        self,
        batch: PackedBatch,
        *,
        layout: AttentionLayout | None = None,
        word_embeddings: Tensor | None = None,
        adaptations: Sequence[LayerAdaptation] | None = None,
        only_first: bool = False,
    ) -> EncoderOutput:
        """Encode a batch.

        Args:
            batch: on this encoder's device.
            layout: how attention runs over it; by default the fastest that serves, once all lengths are known to fit.
            word_embeddings: (T, hidden), to take the place of ``self.word_embeddings(batch)``.
            adaptations: one for each layer; by default none changes anything.
            only_first: whether the first tokens are all that is wanted: the hidden states are then (N, hidden),
                and without adaptations the last layer is computed for them alone. Three quarters of its products are
                spared, one eighth of all of MiniLM's.

        Raises:
            ValueError: a sequence is empty or longer than ``longest``.
        """
        tokens, sequences = len(batch.token_ids), len(batch)
        if layout is None:
            self._check_lengths(batch.lengths)
            if word_embeddings is None and adaptations is None and made_for_each_size(self.embeddings.word.weight):
                batch = filled_up(batch, self.longest)
            layout = self._fastest_layout(batch)
        if word_embeddings is None:
            word_embeddings = self.word_embeddings(batch)
        hidden = self.embeddings(batch, word_embeddings)
        *lower, last = zip(self.layers, adaptations or [UNCHANGED] * len(self.layers), strict=True)
        for layer, adaptation in lower:
            hidden = layer(hidden, layout, adaptation)
        layer, adaptation = last
        first = batch.offsets[:-1].to(hidden.device, non_blocking=True)
        if only_first and adaptations is None:
            hidden = firsts = layer(hidden, layout, adaptation, first)
        else:
            hidden = layer(hidden, layout, adaptation)
            firsts = hidden.index_select(0, first)
        if self.last_norm is not None:
            hidden, firsts = self.last_norm(hidden), self.last_norm(firsts)
        hidden, firsts = hidden[:tokens], firsts[:sequences]
        pooled = None if self.pooler is None else self.pooler(firsts).tanh()
        return EncoderOutput(firsts if only_first else hidden, pooled)

    def bias(self, longest: int) -> Tensor | None:
        """Return the bias of attention (see ``choose_layout``) where the family has one; ``longest`` is the length."""
        return None if self.position_bias is None else self.position_bias(longest)

    def _fastest_layout(self, batch: PackedBatch) -> AttentionLayout:
        longest = int(batch.lengths.max())
        heads, head_size = self.config.attention_heads, self.config.head_size
        return choose_layout(batch.offsets, heads, head_size, self.embeddings.word.weight, self.bias(longest))

    def _check_lengths(self, lengths: Tensor) -> None:
        if len(lengths) == 0 or int(lengths.min()) < 1:
            raise ValueError("a batch needs at least one sequence, and a sequence at least one token")
        longest = int(lengths.max())
        if longest > self.longest:
            raise ValueError(f"a sequence has {longest} tokens; this encoder has {self.longest} positions")


def first_tokens(hidden_states: Tensor, offsets: Tensor) -> Tensor:
    """Return (N, hidden): each sequence's row of ``hidden_states`` (T, hidden) at its first token."""
    return hidden_states.index_select(0, offsets[:-1].to(hidden_states.device, non_blocking=True))
