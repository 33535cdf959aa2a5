"""LoRA: changes of low rank to the encoder's weight matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from minbert.encoder.adaptation import LayerAdaptation, Projection
from minbert.encoder.architectures import architecture_of
from minbert.encoder.attention.padded import PaddedLayout
from minbert.encoder.config import EncoderConfig
from minbert.encoder.dropout import dropout
from minbert.encoder.encoder import Encoder
from minbert.encoder.layers import EncoderLayer
from minbert.multitask.adapters.base import Adapter, Adapters, chosen, joined
from minbert.packed import PackedBatch

Target = Literal["query", "key", "value", "attention_output", "intermediate", "output"]
"""A weight matrix of a layer."""

# Of each projection the targets whose rows its weight holds, in order.
_TARGETS: dict[Projection, tuple[Target, ...]] = {
    "query_key_value": ("query", "key", "value"),
    "attention_output": ("attention_output",),
    "intermediate": ("intermediate",),
    "output": ("output",),
}


class Lora(Adapters):
    """``W x`` becomes ``W x + (alpha / rank) B A dropout(x)`` for the chosen matrices ``W`` (out, in) of every layer.

    ``A`` (rank, in) is drawn, ``B`` (out, rank) begins at zero, so the encoder begins unchanged. The paper draws ``A``
    from a Gaussian and leaves its width open; ours has the variance of the authors' code, ``1 / (3 in)``. The defaults
    are the paper's for RoBERTa-base (its table 9). The paper trains one task at a time; here all tasks may share the
    matrices, which are then merged into the encoder's when the model is saved, or each task has its own, which are
    saved beside it.
    """

    name: ClassVar[str] = "lora"
    title: ClassVar[str] = "changes of low rank to weight matrices, shared or each task's own"
    source: ClassVar[str] = "Hu et al. 2021, 'LoRA', section 4.1"

    rank: int = Field(8, ge=1, description="rank of the change of a matrix")
    alpha: float = Field(8.0, gt=0, allow_inf_nan=False, description="the change is multiplied by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the change's input dropped in training")
    targets: list[Target] = Field(["query", "value"], min_length=1, description="matrices that are changed")
    per_task: bool = Field(False, description="each task has matrices of its own; else all share one set")
    train_encoder: bool = Field(False, description="train the encoder's own weights as well")

    @field_validator("targets")
    @classmethod
    def _distinct(cls, targets: list[Target]) -> list[Target]:
        if len(set(targets)) != len(targets):
            raise ValueError("a target is named twice")
        return targets

    @property
    def private(self) -> bool:
        """Whether each task has matrices of its own."""
        return self.per_task

    @property
    def trains_encoder(self) -> bool:
        """Whether the encoder's own weights are trained too."""
        return self.train_encoder

    def build(self, config: EncoderConfig) -> LoraAdapter:
        """Return fresh matrices for every layer."""
        return LoraAdapter(self, config)


class LoraAdapter(Adapter):
    """See ``Lora``."""

    def __init__(self, settings: Lora, config: EncoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LoraLayer(settings, config) for _ in range(config.layers))

    @staticmethod
    def adaptations(
        adapters: Sequence[Adapter],
        batch: PackedBatch,  # noqa: ARG004
        tokens: Sequence[int],
    ) -> list[LayerAdaptation]:
        """See ``Adapter``."""
        by_layer = zip(*(adapter.layers for adapter in adapters), strict=True)
        return [LoraAdaptation(layers, tokens) for layers in by_layer]

    @staticmethod
    def padded_adaptations(adapters: Sequence[Adapter], numbers: Tensor, layout: PaddedLayout) -> list[LayerAdaptation]:
        """See ``Adapter``."""
        by_layer = zip(*(adapter.layers for adapter in adapters), strict=True)
        return [PaddedLoraAdaptation(layers, numbers, layout) for layers in by_layer]

    @torch.no_grad()
    def merge(self, encoder: Encoder) -> None:
        """Add each change to the weights of ``encoder`` that it changes."""
        for ours, theirs in zip(self.layers, encoder.layers, strict=True):
            assert isinstance(ours, LoraLayer)
            assert isinstance(theirs, EncoderLayer)
            for projection, targets in _TARGETS.items():
                weight = theirs.projection(projection).weight
                for target, rows in zip(targets, weight.chunk(len(targets)), strict=True):
                    if target in ours:
                        rows += ours.change(target).weight()


class LoraLayer(nn.ModuleDict):
    """The changes of one layer's matrices, by target."""

    def __init__(self, settings: Lora, config: EncoderConfig) -> None:
        shapes = {
            target: (outputs // len(_TARGETS[projection]), inputs)
            for projection, (outputs, inputs) in architecture_of(config).projection_shapes(config).items()
            for target in _TARGETS[projection]
        }
        super().__init__({target: LowRankChange(settings, *shapes[target]) for target in settings.targets})

    def change(self, target: Target) -> LowRankChange:
        """Return the change of a matrix."""
        module = self[target]
        assert isinstance(module, LowRankChange)
        return module

    def forward(self, projection: Projection, inputs: Tensor, outputs: Tensor) -> Tensor:
        """Return a projection's ``outputs`` (T, out), changed."""
        targets = _TARGETS[projection]
        changes = {target: self.change(target)(inputs) for target in targets if target in self}
        return with_changes(projection, outputs, changes)


def with_changes(projection: Projection, outputs: Tensor, changes: Mapping[Target, Tensor]) -> Tensor:
    """Return a projection's ``outputs`` (T, out) with the ``changes``, each (T, out of the target), added."""
    targets = _TARGETS[projection]
    if not changes:
        return outputs
    parts = zip(targets, outputs.chunk(len(targets), dim=-1), strict=True)
    return joined([part + changes[target] if target in changes else part for target, part in parts], dim=-1)


class LowRankChange(nn.Module):
    """The change of one matrix (outputs, inputs)."""

    def __init__(self, settings: Lora, outputs: int, inputs: int) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(settings.rank, inputs) * (3 * inputs) ** -0.5)
        self.b = nn.Parameter(torch.zeros(outputs, settings.rank))
        self.scale = settings.alpha / settings.rank
        self.dropout = settings.dropout

    def weight(self) -> Tensor:
        """Return the change itself, (outputs, inputs)."""
        return self.scale * self.b @ self.a

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the change adds to the matrix's product with ``inputs`` (T, inputs): (T, outputs)."""
        kept = dropout(inputs, self.dropout, training=self.training)
        return functional.linear(self.scale * functional.linear(kept, self.a), self.b)


class LoraAdaptation(LayerAdaptation):
    """The changes of one layer in one pass: each run of tokens meets those of its own adapter."""

    def __init__(self, layers: Sequence[nn.Module], tokens: Sequence[int]) -> None:
        self.layers = layers
        self.tokens = list(tokens)

    def project(self, projection: Projection, inputs: Tensor, outputs: Tensor) -> Tensor:
        """See ``LayerAdaptation``."""
        runs = zip(self.layers, torch.split(inputs, self.tokens), torch.split(outputs, self.tokens), strict=True)
        return joined([layer(projection, run, out) for layer, run, out in runs])


class PaddedLoraAdaptation(LayerAdaptation):
    """The changes of one layer in one pass over padded sequences: each meets those of its own adapter."""

    def __init__(self, layers: Sequence[nn.Module], numbers: Tensor, layout: PaddedLayout) -> None:
        self.layers = [layer for layer in layers if isinstance(layer, LoraLayer)]
        self.numbers = numbers
        self.layout = layout

    def project(self, projection: Projection, inputs: Tensor, outputs: Tensor) -> Tensor:
        """See ``LayerAdaptation``."""
        changed = [target for target in _TARGETS[projection] if target in self.layers[0]]
        return with_changes(projection, outputs, {target: self._change(target, inputs) for target in changed})

    def _change(self, target: Target, inputs: Tensor) -> Tensor:
        """Return what the change of a matrix adds, (T, out); see ``LowRankChange``."""
        changes = [layer.change(target) for layer in self.layers]
        down = chosen([change.a for change in changes], self.numbers)
        up = chosen([change.scale * change.b for change in changes], self.numbers)
        rows = self.layout.by_sequence(inputs)
        return (rows @ down.transpose(1, 2) @ up.transpose(1, 2)).flatten(0, 1)
