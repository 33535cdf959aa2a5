"""ModernBERT (Warner et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from minbert.encoder.adaptation import UNCHANGED, LayerAdaptation, Projection
from minbert.encoder.architectures.bert import Bert
from minbert.encoder.attention.layout import AttentionLayout
from minbert.encoder.config import Count, EncoderConfig, Positive, Probability
from minbert.encoder.dropout import dropout
from minbert.encoder.layers import EmbeddingModule, EncoderLayer, FeedForward, SelfAttention
from minbert.errors import UserError
from minbert.packed import PackedBatch

_GLOBAL, _LOCAL = "full_attention", "sliding_attention"


class ModernBertConfig(EncoderConfig):
    """``EncoderConfig`` with what tells layers apart. The defaults are those of a file that does not say."""

    biases: ClassVar[bool] = False

    model_type: str = "modernbert"
    layer_norm_epsilon: Positive = 1e-5
    hidden_dropout: Probability = 0.0
    """Inside the feed-forward layers."""
    attention_dropout: Probability = 0.0
    """On the attention probabilities, and after the attention layers."""
    padding_id: Annotated[int, Field(strict=True, ge=0)] = 50283
    global_every: Count = 3
    """Of how many layers the first attends to all tokens; the others attend to a window."""
    local_attention: Count = 128
    """How many tokens a window has beside its own, half of them on either side."""
    global_base: Positive = 160_000.0
    """Of the angles by which RoPE turns queries and keys of layers that attend to all tokens."""
    local_base: Positive = 10_000.0
    """The same of the others."""

    def attends_to_all(self, number: int) -> bool:
        """Return whether layer ``number``, from 0, attends to all tokens."""
        return number % self.global_every == 0


class ModernBertEmbeddings(EmbeddingModule):
    """Word embeddings, normalised: layers know positions by themselves, and texts are not told apart."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        self.word = nn.Embedding(config.vocabulary_size, config.hidden_size, padding_idx=config.padding_id)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon, bias=False)

    def forward(self, batch: PackedBatch, word_embeddings: Tensor) -> Tensor:  # noqa: ARG002
        """See ``EmbeddingModule``."""
        normalised: Tensor = self.norm(word_embeddings)
        return normalised


class RotaryAttention(SelfAttention):
    """Attention whose queries and keys are turned by their places, to all tokens or to a window."""

    def __init__(self, config: ModernBertConfig, *, attends_to_all: bool) -> None:
        super().__init__(config)
        self.base = config.global_base if attends_to_all else config.local_base
        self.window = None if attends_to_all else config.local_attention // 2
        self.head_size = config.head_size

    def attend(self, query_key_value: Tensor, layout: AttentionLayout, probability: float) -> Tensor:
        """See ``SelfAttention``."""
        return layout.attend(layout.turned(query_key_value, self.base, self.head_size), probability, self.window)


class GatedFeedForward(FeedForward):
    """GeGLU (Shazeer 2020): one half of the first product, activated, gates the other."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__(config, 2 * config.intermediate_size)
        self.dropout = config.hidden_dropout

    def activate(self, intermediate: Tensor) -> Tensor:
        """See ``FeedForward``."""
        activated, gate = intermediate.chunk(2, dim=-1)
        # The fast kernel of a CPU takes no rows with gaps: 22 instead of 28 ms forward and backward for (2048, 3072).
        product = functional.gelu(activated.contiguous()) * gate
        return dropout(product, self.dropout, training=self.training)


class PreNormLayer(EncoderLayer):
    """Attention, then feed-forward: each reads what goes in normalised, and is added to it as it is."""

    def __init__(self, config: ModernBertConfig, number: int) -> None:
        super().__init__()
        self.attention_norm = nn.Identity() if number == 0 else _norm(config)  # embeddings are normalised already
        self.attention = RotaryAttention(config, attends_to_all=config.attends_to_all(number))
        self.feed_forward_norm = _norm(config)
        self.feed_forward = GatedFeedForward(config)
        self.dropout = config.attention_dropout

    def forward(
        self,
        hidden: Tensor,
        layout: AttentionLayout,
        adaptation: LayerAdaptation = UNCHANGED,
        tokens: Tensor | None = None,
    ) -> Tensor:
        """See ``EncoderLayer``."""
        normalised = self.attention_norm(hidden)
        beside = adaptation.beside(normalised)
        attended = self.attention(normalised, layout, adaptation, tokens)
        if tokens is not None:
            hidden = hidden.index_select(0, tokens)
        hidden = hidden + dropout(attended, self.dropout, training=self.training)
        hidden = hidden + self.feed_forward(self.feed_forward_norm(hidden), adaptation)
        return hidden if beside is None else hidden + beside


def _norm(config: ModernBertConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon, bias=False)


class ModernBert(Bert):
    """Layers that normalise first, know positions by RoPE, gate their feed-forward part, and have no biases."""

    model_type = "modernbert"

    config_class = ModernBertConfig
    config_keys: ClassVar[Mapping[str, str]] = {
        "vocabulary_size": "vocab_size",
        "hidden_size": "hidden_size",
        "layers": "num_hidden_layers",
        "attention_heads": "num_attention_heads",
        "intermediate_size": "intermediate_size",
        "max_positions": "max_position_embeddings",
        "layer_norm_epsilon": "norm_eps",
        "hidden_dropout": "mlp_dropout",
        "attention_dropout": "attention_dropout",
        "initializer_range": "initializer_range",
        "padding_id": "pad_token_id",
        "global_every": "global_attn_every_n_layers",
        "local_attention": "local_attention",
        "global_base": "global_rope_theta",
        "local_base": "local_rope_theta",
    }
    fixed_keys: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "hidden_activation": Bert.fixed_keys["hidden_act"],
        "attention_bias": (False, "so its attention has biases, which this encoder's has not"),
        "mlp_bias": (False, "so its feed-forward layers have biases, which this encoder's have not"),
        "norm_bias": (False, "so its norms have biases, which this encoder's have not"),
        "embedding_dropout": (0.0, "a dropout that this encoder does not have"),
        "rope_scaling": (None, "so its RoPE is stretched, as this encoder's is not"),
    }
    special_ids: ClassVar[Mapping[str, str]] = {
        "bos_token_id": "classification_id",
        "cls_token_id": "classification_id",
        "eos_token_id": "separator_id",
        "sep_token_id": "separator_id",
    }
    model_class = "ModernBertModel"
    masked_lm_class = "ModernBertForMaskedLM"

    classifier_class = "ModernBertForSequenceClassification"
    classifier_activation = None
    classifier_told = "two layers with a norm between them, as no head of minbert is"

    prefix = "model."
    layer_prefix = "layers."
    modules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "embeddings.word": ("embeddings.tok_embeddings",),
        "embeddings.norm": ("embeddings.norm",),
        "attention_norm": ("attn_norm",),
        "attention.query_key_value": ("attn.Wqkv",),
        "attention.output": ("attn.Wo",),
        "feed_forward_norm": ("mlp_norm",),
        "feed_forward.intermediate": ("mlp.Wi",),
        "feed_forward.output": ("mlp.Wo",),
        "last_norm": ("final_norm",),
    }
    other_heads: ClassVar[tuple[str, ...]] = ("head.", "decoder.", "classifier.", "qa_outputs.")
    older_names: ClassVar[Mapping[str, str]] = {}
    masked_lm_names: ClassVar[Mapping[str, str]] = {
        "dense.weight": "head.dense.weight",
        "norm.weight": "head.norm.weight",
        "bias": "decoder.bias",
    }
    masked_lm_decoder = "decoder.weight"

    def settings(self, given: Mapping[str, Any], where: object) -> Mapping[str, Any]:
        """Return ``given`` with the layers' kinds and RoPE as older files write them."""
        settings = dict(given)
        if (kinds := given.get("layer_types")) is not None:
            settings["global_attn_every_n_layers"] = _interval(kinds, given.get("num_hidden_layers"), where)
        if (half := given.get("sliding_window")) is not None:
            if type(half) is not int:
                raise UserError(
                    f"{where}: sliding_window is {half!r:.80}, not a number of tokens. Is the file damaged?"
                )
            settings["local_attention"] = 2 * half
        return settings | _bases(given.get("rope_parameters"), where)

    def embeddings(self, config: EncoderConfig) -> EmbeddingModule:
        """See ``Architecture``."""
        return ModernBertEmbeddings(_own(config))

    def layer(self, config: EncoderConfig, number: int) -> EncoderLayer:
        """See ``Architecture``."""
        return PreNormLayer(_own(config), number)

    def last_norm(self, config: EncoderConfig) -> nn.LayerNorm:
        """See ``Architecture``."""
        return _norm(_own(config))

    def pooler(self, config: EncoderConfig) -> None:
        """See ``Architecture``."""

    def projection_shapes(self, config: EncoderConfig) -> dict[Projection, tuple[int, int]]:
        """See ``Architecture``."""
        both = (2 * config.intermediate_size, config.hidden_size)
        return super().projection_shapes(config) | {"intermediate": both}


def _own(config: EncoderConfig) -> ModernBertConfig:
    assert isinstance(config, ModernBertConfig)
    return config


def _bases(turns: Any, where: object) -> dict[str, Any]:
    """Return what newer files say of RoPE, under older files' keys."""
    parts = {} if turns is None else turns
    if not isinstance(parts, Mapping) or not all(
        kind in (_GLOBAL, _LOCAL) and isinstance(part, Mapping | None) for kind, part in parts.items()
    ):
        raise UserError(
            f"{where}: rope_parameters is {turns!r:.200}; minbert reads settings of {_GLOBAL!r} and of "
            f"{_LOCAL!r} there, and nothing else."
        )
    bases = {}
    for kind, key in ((_GLOBAL, "global_rope_theta"), (_LOCAL, "local_rope_theta")):
        part = parts.get(kind) or {}
        rope_type = part.get("rope_type", part.get("type", "default"))
        if rope_type != "default":
            raise UserError(
                f"{where}: rope_parameters: rope_type is {rope_type!r}, so its RoPE is stretched, as "
                "this encoder's is not. Choose a plain encoder (rope_type: 'default')."
            )
        if part.get("rope_theta") is not None:
            bases[key] = part["rope_theta"]
    return bases


def _interval(kinds: Any, layers: Any, where: object) -> int:
    """Return how many layers it is from one that attends to all tokens to the next."""
    if isinstance(kinds, list) and layers is not None and len(kinds) != layers:
        raise UserError(
            f"{where}: layer_types names the kinds of {len(kinds)} layers, and num_hidden_layers is {layers!r:.80}. "
            "Do the two belong together?"
        )
    if isinstance(kinds, list) and kinds[:1] == [_GLOBAL]:
        every = kinds.index(_GLOBAL, 1) if _GLOBAL in kinds[1:] else len(kinds)
        if kinds == [_LOCAL if number % every else _GLOBAL for number in range(len(kinds))]:
            return every
    raise UserError(
        f"{where}: layer_types is {kinds!r:.200}; minbert reads ModernBERTs whose first layer, and every so many-th "
        f"after it, is {_GLOBAL!r}, all others {_LOCAL!r}."
    )
