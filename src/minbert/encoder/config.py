"""What an encoder is made of: its family, sizes and probabilities."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from minbert.methods import Settings

Count = Annotated[int, Field(strict=True, ge=1, le=10**8)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(strict=True, ge=0, lt=1)]


class EncoderConfig(Settings):
    """The settings of an encoder of any family. The defaults are those of BERT-base (Devlin et al. 2019, section 3)."""

    biases: ClassVar[bool] = True
    """Whether linear maps and norms of the family's layers have biases."""

    model_type: str = "bert"
    """Its family: one of ``Architecture.members``."""
    vocabulary_size: Count = 30522
    hidden_size: Count = 768
    layers: Count = 12
    attention_heads: Count = 12
    intermediate_size: Count = 3072
    """Width of the feed-forward layers."""
    max_positions: Count = 512
    """Rows of the table of positions; how many tokens a sequence may have, ``Architecture.longest`` tells."""
    segment_types: Count = 2
    layer_norm_epsilon: Positive = 1e-12
    hidden_dropout: Probability = 0.1
    """After the embeddings, the attention and the feed-forward layers."""
    attention_dropout: Probability = 0.1
    """On the attention probabilities."""
    initializer_range: Positive = 0.02
    """Standard deviation of fresh weights."""
    padding_id: Annotated[int, Field(strict=True, ge=0)] = 0
    """The token whose embedding is never trained. Packed batches have no padding; other libraries' batches do."""

    @property
    def head_size(self) -> int:
        """Width of an attention head."""
        return self.hidden_size // self.attention_heads

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.hidden_size % self.attention_heads:
            raise ValueError(
                f"hidden size {self.hidden_size} cannot be cut into {self.attention_heads} attention heads"
            )
        if self.padding_id >= self.vocabulary_size:
            raise ValueError(f"padding id {self.padding_id} is not in a vocabulary of {self.vocabulary_size}")
        return self
