"""What a family of encoders is: its files, its sequences, its parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import nn

from minbert.encoder.adaptation import Projection
from minbert.encoder.config import EncoderConfig
from minbert.encoder.layers import EmbeddingModule, EncoderLayer
from minbert.text.template import Template
from minbert.text.tokenizer import Tokenizer

ClassifierActivation = Literal["tanh", "relu"]


class Architecture(ABC):
    """A family of encoders. One object for each is in ``members``; it holds no weights and no settings."""

    members: ClassVar[dict[str, Architecture]] = {}
    """The known families by ``model_type``."""

    model_type: ClassVar[str]
    """The family's name in a ``config.json`` and in ``EncoderConfig.model_type``."""

    # What its config.json says.
    config_class: ClassVar[type[EncoderConfig]] = EncoderConfig
    config_keys: ClassVar[Mapping[str, str]]
    """Our settings -> theirs."""
    required_keys: ClassVar[tuple[str, ...]]
    """Those that nobody can guess. The others have one value in nearly every file, and older files leave them out."""
    fixed_keys: ClassVar[Mapping[str, tuple[Any, str]]]
    """What the format lets a file choose and ours does not: key -> (our value, what another value means)."""
    special_ids: ClassVar[Mapping[str, str]] = {}
    """Ids of special tokens beside padding's, for which transformers' class has values of its own: key -> our token."""
    model_class: ClassVar[str]
    """The encoder's class in transformers."""
    remarks: ClassVar[Mapping[str, str]] = {}
    """Other classes that a file may name as its encoder's -> what to know of such an encoder."""
    masked_lm_class: ClassVar[str]
    """The class of an encoder with a masked-LM head."""
    no_masked_lm: ClassVar[str | None] = None
    """Why no masked-LM head goes with the family, where none does."""

    # How transformers classifies with it.
    classifier_class: ClassVar[str]
    """Its encoder with a classifier over the first token's state: a layer as wide as the encoder, and one of logits."""
    classifier_activation: ClassVar[ClassifierActivation | None] = None
    """What becomes of the first layer's output; None: something else happens that no head of ours does."""
    classifier_layers: ClassVar[tuple[str, ...]] = ()
    """Both layers' names in files of such a model."""
    classifier_told: ClassVar[str]
    """What that classifier is, in words."""

    # What its tensors are called.
    prefix: ClassVar[str]
    """Before the encoder's names in files of whole models, with the dot."""
    layer_prefix: ClassVar[str]
    """Before a layer's number, with the dot."""
    modules: ClassVar[Mapping[str, tuple[str, ...]]]
    """Our module -> theirs, without layer and number; several where ours is fused."""
    other_heads: ClassVar[tuple[str, ...]]
    """How names begin that are none of the encoder: heads, and buffers of older versions."""
    older_names: ClassVar[Mapping[str, str]] = {}
    """Parts of names that older versions wrote -> today's."""
    masked_lm_names: ClassVar[Mapping[str, str]]
    """Our parameter of the masked-LM head -> theirs."""
    masked_lm_decoder: ClassVar[str]
    """What files that write it call the head's output matrix, which is that of the word embeddings."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Architecture.members[cls.model_type] = cls()

    def settings(self, given: Mapping[str, Any], where: object) -> Mapping[str, Any]:  # noqa: ARG002
        """Return what a config.json says under today's keys, from one that may have others.

        Raises:
            UserError: it says what no encoder of ours can do; ``where`` names the file.
        """
        return given

    @abstractmethod
    def template(self, tokenizer: Tokenizer) -> Template:
        """Return how texts become sequences, single and joined."""

    @abstractmethod
    def embeddings(self, config: EncoderConfig) -> EmbeddingModule:
        """Return the module below the layers."""

    @abstractmethod
    def layer(self, config: EncoderConfig, number: int) -> EncoderLayer:
        """Return layer ``number``, from 0."""

    def last_norm(self, config: EncoderConfig) -> nn.Module | None:  # noqa: ARG002
        """Return what normalises the last layer's output, where layers leave that to it."""
        return None

    def pooler(self, config: EncoderConfig) -> nn.Linear | None:  # noqa: ARG002
        """Return the linear layer of the pooler (see ``Encoder``), where the family has one."""
        return None

    def position_bias(self, config: EncoderConfig) -> nn.Module | None:  # noqa: ARG002
        """Return the module that makes the bias of attention (see ``choose_layout``) of the longest length."""
        return None

    def first_position(self, config: EncoderConfig) -> int:  # noqa: ARG002
        """Return the row of the table of positions that a sequence's first token takes."""
        return 0

    def longest(self, config: EncoderConfig) -> int:
        """Return how many tokens a sequence may have."""
        return config.max_positions - self.first_position(config)

    def reads_segments(self, config: EncoderConfig) -> bool:
        """Return whether the encoder tells a second text from a first by its segment."""
        return "segment_types" in self.config_keys and config.segment_types > 1

    def projection_shapes(self, config: EncoderConfig) -> dict[Projection, tuple[int, int]]:
        """Return the shapes (outputs, inputs) of a layer's linear maps."""
        width, inner = config.hidden_size, config.intermediate_size
        return {
            "query_key_value": (3 * width, width),
            "attention_output": (width, width),
            "intermediate": (inner, width),
            "output": (width, inner),
        }

    def today(self, name: str) -> str:
        """Return today's name, without prefix, of a tensor of any of the family's files."""
        name = name.removeprefix(self.prefix)
        for old, new in self.older_names.items():
            name = name.replace(old, new)
        return name


def architecture_of(config: EncoderConfig) -> Architecture:
    """Return the family of an encoder."""
    return Architecture.members[config.model_type]
