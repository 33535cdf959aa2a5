"""Projected attention layers: each task has a small attention of its own beside every encoder layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from minbert.encoder.adaptation import LayerAdaptation
from minbert.encoder.attention.choosing import choose_layout
from minbert.encoder.attention.layout import AttentionLayout
from minbert.encoder.attention.padded import PaddedLayout
from minbert.encoder.config import EncoderConfig
from minbert.encoder.layers import initialize
from minbert.multitask.adapters.base import Adapter, Adapters, chosen, joined
from minbert.packed import PackedBatch

_SHARE_OF_WIDTH = 204 / 768


class Pals(Adapters):
    """``TS(h) = gelu(V_D attention(V_E h))``, added to what a layer makes of ``h`` before its last norm.

    ``V_E`` (size, hidden) and ``V_D`` (hidden, size) are a task's own and the same in all layers; the attention, with
    queries, keys and values ``size`` wide and no output projection, is the task's and the layer's own. The GELU and
    the biases are the authors' code's, as are 6 heads and the size, 204 for a width of 768. Departure: their ``V_D``
    begins like all weights, at random, here it begins at zero, so the encoder begins unchanged.
    """

    name: ClassVar[str] = "pals"
    title: ClassVar[str] = "a small attention of each task's own beside every layer"
    source: ClassVar[str] = "Stickland & Murray 2019, 'BERT and PALs', section 3"

    size: int | None = Field(
        None, ge=1, description="width of the small attention, a multiple of `heads`; null: 204/768 of the encoder's"
    )
    heads: int = Field(6, ge=1, description="attention heads of the small attention")
    train_encoder: bool = Field(True, description="train the encoder's own weights as well, as the paper does")

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.size is not None and self.size % self.heads:
            raise ValueError(f"size {self.size} cannot be cut into {self.heads} heads")
        return self

    @property
    def trains_encoder(self) -> bool:
        """Whether the encoder's own weights are trained too."""
        return self.train_encoder

    def attention_size(self, width: int) -> int:
        """Return how wide the attention is beside an encoder of ``width``: by default the nearest multiple of heads."""
        if self.size is not None:
            return self.size
        return self.heads * max(1, round(_SHARE_OF_WIDTH * width / self.heads))

    def build(self, config: EncoderConfig) -> PalAdapter:
        """Return one task's fresh layers."""
        return PalAdapter(self, config)


class PalAdapter(Adapter):
    """See ``Pals``."""

    def __init__(self, settings: Pals, config: EncoderConfig) -> None:
        super().__init__()
        size = settings.attention_size(config.hidden_size)
        self.heads = settings.heads
        self.dropout = config.attention_dropout
        self.down = nn.Linear(config.hidden_size, size)
        self.layers = nn.ModuleList(nn.Linear(size, 3 * size) for _ in range(config.layers))
        self.up = nn.Linear(size, config.hidden_size)
        initialize(self, config.initializer_range)
        nn.init.zeros_(self.up.weight)

    @staticmethod
    def adaptations(adapters: Sequence[Adapter], batch: PackedBatch, tokens: Sequence[int]) -> list[LayerAdaptation]:
        """See ``Adapter``."""
        pals = [adapter for adapter in adapters if isinstance(adapter, PalAdapter)]
        heads, up = pals[0].heads, pals[0].up
        layout = choose_layout(batch.offsets, heads, up.in_features // heads, up.weight)
        return [PalAdaptation(number, pals, tokens, layout) for number in range(len(pals[0].layers))]

    @staticmethod
    def padded_adaptations(adapters: Sequence[Adapter], numbers: Tensor, layout: PaddedLayout) -> list[LayerAdaptation]:
        """See ``Adapter``."""
        pals = [adapter for adapter in adapters if isinstance(adapter, PalAdapter)]
        small = PaddedLayout(layout.mask, pals[0].heads)
        down, up = (ChosenLinear(layers, numbers) for layers in ([pal.down for pal in pals], [pal.up for pal in pals]))
        by_layer = zip(*(pal.layers for pal in pals), strict=True)
        return [PaddedPalAdaptation(down, ChosenLinear(layers, numbers), up, small) for layers in by_layer]


class PalAdaptation(LayerAdaptation):
    """The small attentions of one layer in one pass.

    Tokens attend to their own sequence only, and a sequence is one task's: so one attention over the whole batch serves
    all tasks, and only its projections differ from one run of tokens to the next.
    """

    def __init__(self, number: int, pals: Sequence[PalAdapter], tokens: Sequence[int], layout: AttentionLayout) -> None:
        self.number = number
        self.pals = pals
        self.tokens = list(tokens)
        self.layout = layout

    def beside(self, hidden: Tensor) -> Tensor:
        """See ``LayerAdaptation``."""
        first = self.pals[0]
        runs = zip(self.pals, torch.split(hidden, self.tokens), strict=True)
        query_key_value = joined([pal.layers[self.number](pal.down(run)) for pal, run in runs])
        context = self.layout.attend(query_key_value, first.dropout if first.training else 0.0)
        runs = zip(self.pals, torch.split(context, self.tokens), strict=True)
        return joined([functional.gelu(pal.up(run)) for pal, run in runs])


class ChosenLinear:
    """A linear layer of each of ``S`` padded sequences' own: one of several; see ``chosen``."""

    def __init__(self, layers: Sequence[nn.Module], numbers: Tensor) -> None:
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
        self.weight = chosen([layer.weight for layer in linear], numbers)
        self.bias = chosen([layer.bias for layer in linear], numbers)

    def __call__(self, rows: Tensor) -> Tensor:
        """Return (S, L, outputs) from ``rows`` (S, L, inputs)."""
        return rows @ self.weight.transpose(1, 2) + self.bias[:, None]


class PaddedPalAdaptation(LayerAdaptation):
    """The small attentions of one layer in one pass over padded sequences: each meets its own task's."""

    def __init__(
        self, down: ChosenLinear, query_key_value: ChosenLinear, up: ChosenLinear, layout: PaddedLayout
    ) -> None:
        self.down, self.query_key_value, self.up = down, query_key_value, up
        self.layout = layout

    def beside(self, hidden: Tensor) -> Tensor:
        """See ``LayerAdaptation``."""
        query_key_value = self.query_key_value(self.down(self.layout.by_sequence(hidden)))
        context = self.layout.attend(query_key_value.flatten(0, 1), 0.0)
        return functional.gelu(self.up(self.layout.by_sequence(context))).flatten(0, 1)
