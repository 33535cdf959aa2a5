"""What a BERT encoder is made of: sizes and probabilities, and their names in the ecosystem's ``config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from minbert.errors import UserError
from minbert.methods import Settings

Count = Annotated[int, Field(strict=True, ge=1)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(strict=True, ge=0, lt=1)]


class EncoderConfig(Settings):
    """The sizes of a BERT encoder (Devlin et al. 2019, section 3). The defaults are those of BERT-base."""

    vocabulary_size: Count = 30522
    hidden_size: Count = 768
    layers: Count = 12
    attention_heads: Count = 12
    intermediate_size: Count = 3072
    """Width of the feed-forward layers."""
    max_positions: Count = 512
    """The longest sequence, in tokens."""
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

    @classmethod
    def from_hub(cls, mapping: Any, where: object) -> Self:
        """Return the configuration written in a transformers ``config.json``.

        Args:
            mapping: the file's content.
            where: the file, for messages.

        Raises:
            UserError: the file describes no BERT encoder, lacks a size, or has a value that cannot be.
        """
        if not isinstance(mapping, Mapping):
            raise UserError(f"{where}: holds a {type(mapping).__name__} where the encoder's settings should stand.")
        for key, (expected, otherwise) in _FIXED.items():
            if mapping.get(key, expected) not in (expected, None):
                raise UserError(
                    f"{where}: {key} is {mapping[key]!r}, {otherwise}. Choose a plain BERT ({key}: {expected!r})."
                )
        missing = [key for key in _REQUIRED if mapping.get(key) is None]
        if missing:
            raise UserError(f"{where}: lacks {', '.join(missing)}. Is this the config.json of a BERT encoder?")
        given = {ours: mapping[theirs] for ours, theirs in _HUB_KEYS.items() if mapping.get(theirs) is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            problems = "; ".join(
                _in_hub_words(detail["loc"], detail["msg"], detail["input"]) for detail in error.errors()
            )
            raise UserError(f"{where}: {problems}. Is the file damaged?") from None

    def to_hub(self) -> dict[str, Any]:
        """Return the content of a ``config.json`` that transformers' ``AutoModel`` reads."""
        return {
            "architectures": ["BertModel"],
            **{key: expected for key, (expected, _) in _FIXED.items()},
            **{theirs: getattr(self, ours) for ours, theirs in _HUB_KEYS.items()},
        }


_HUB_KEYS = {
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

# Nobody can guess these. The others have one value in nearly every BERT, and older files leave them out.
_REQUIRED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)

# What the format lets a file choose and this encoder does not: key -> (our value, what another value means).
_FIXED: dict[str, tuple[Any, str]] = {
    "model_type": ("bert", "so this encoder is no BERT"),
    "hidden_act": ("gelu", "an activation that this encoder does not have"),
    "position_embedding_type": ("absolute", "so positions are not embedded as BERT embeds them"),
    "is_decoder": (False, "so this is a decoder"),
    "add_cross_attention": (False, "so its layers also attend to another model"),
}


def _in_hub_words(location: tuple[int | str, ...], message: str, value: Any) -> str:
    """Return one of pydantic's complaints with the key as the file has it."""
    if not location:
        return message.removeprefix("Value error, ")
    return f"{_HUB_KEYS[str(location[0])]} is {value!r}: {message[0].lower()}{message[1:]}"
