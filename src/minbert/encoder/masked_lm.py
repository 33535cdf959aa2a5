"""Masked language modelling (Devlin et al. 2019, task 1 of section 3.1): an encoder with a head that guesses tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.encoder.layers import initialize
from minbert.packed import PackedBatch

HeadKind = Literal["bert", "two_layer"]
"""``bert``: BERT's own head. ``two_layer``: that of Goel, Hidayatullah & Nagafuchi."""


class MaskedLMHead(nn.Module, ABC):
    """What turns the hidden states of masked tokens into logits over the vocabulary."""

    kind: HeadKind

    @abstractmethod
    def logits(self, hidden: Tensor, word_embeddings: Tensor) -> Tensor:
        """Return (M, vocabulary) from hidden states (M, hidden) and the word embeddings (vocabulary, hidden)."""


class BertHead(MaskedLMHead):
    """``logits = LayerNorm(GELU(h W + b)) E^T + c``: ``E`` is the matrix of word embeddings, ``c`` a bias a token.

    As in BERT's published code; transformers' ``BertForMaskedLM`` has the same head under ``cls.predictions``. Other
    families have it, too; those without biases leave out ``b`` and the norm's.
    """

    kind = "bert"

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size, bias=config.biases)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon, bias=config.biases)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary_size))

    def logits(self, hidden: Tensor, word_embeddings: Tensor) -> Tensor:
        """Return (M, vocabulary)."""
        return functional.linear(self.norm(functional.gelu(self.dense(hidden))), word_embeddings, self.bias)


class TwoLayerHead(MaskedLMHead):
    """``logits = ReLU(h W + b) V + c``: two layers with ReLU between, whose output matrix is its own.

    Goel, Hidayatullah & Nagafuchi (section "Additional Pretraining with Masked Language Modeling"). They do not say how
    wide the layer between is: here as wide as the encoder. ``V`` is as large as the word embeddings, and starts at
    random, so this head must learn every token anew; it is there to repeat the paper.
    """

    kind = "two_layer"

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.decoder = nn.Linear(config.hidden_size, config.vocabulary_size)

    def logits(self, hidden: Tensor, word_embeddings: Tensor) -> Tensor:  # noqa: ARG002
        """Return (M, vocabulary)."""
        scores: Tensor = self.decoder(functional.relu(self.dense(hidden)))
        return scores


_HEADS: dict[HeadKind, type[MaskedLMHead]] = {"bert": BertHead, "two_layer": TwoLayerHead}


class MaskedLM(nn.Module):
    """An encoder and a masked-LM head with fresh weights."""

    def __init__(self, encoder: Encoder, kind: HeadKind = "bert", generator: torch.Generator | None = None) -> None:
        """Build a head over ``encoder``, drawn from ``generator`` (torch's default one if none is given)."""
        super().__init__()
        self.encoder = encoder
        self.head: MaskedLMHead = _HEADS[kind](encoder.config)
        initialize(self.head, encoder.config.initializer_range, generator)

    def forward(self, batch: PackedBatch, positions: Tensor) -> Tensor:
        """Return logits (M, vocabulary) at ``positions`` (M,) of the batch's tokens, and nowhere else.

        For all tokens they would be too many: 8,192 tokens of a vocabulary of 30,522 make 1 GB, 15 % of them 0.15 GB.
        """
        hidden = self.encoder(batch).hidden_states.index_select(0, positions)
        return self.head.logits(hidden, self.encoder.embeddings.word.weight)


def masked_lm_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the summed cross entropy of ``logits`` (M, vocabulary) and token ids ``targets`` (M,), in fp32.

    A sum, because a step is computed in micro-batches and its mean is over all its masked tokens. Without any it is 0.
    """
    return functional.cross_entropy(logits.float(), targets, reduction="sum")
