"""The depth head: residual blocks before the linear layer."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from minbert.tasks.heads.base import Pair
from minbert.tasks.heads.features import Feature
from minbert.tasks.heads.over_features import FeaturesHead, FeaturesModule, features_field
from minbert.tasks.kinds import Kind


class Depth(FeaturesHead):
    """``x <- LayerNorm(x + dropout(relu(W x + b)))`` for each block, then ``logits = W dropout(x) + b``.

    A block is as wide as the head's input, which for a ``bi`` pair is all chosen features end to end.
    """

    name: ClassVar[str] = "depth"
    title: ClassVar[str] = "residual MLP blocks with LayerNorm, then one linear layer"
    source: ClassVar[str] = "Gao, section 4.3, extension 5: up to four layers, with BERT's add-norm"

    features: list[Feature] = features_field(["u", "v"])
    blocks: int = Field(2, ge=1, description="how many blocks")

    def build(self, width: int, kind: Kind, pair: Pair | None) -> DepthHead:
        """Return the head for vectors of ``width`` numbers."""
        return DepthHead(self, width, kind.outputs, pair)


class DepthHead(FeaturesModule):
    """See ``Depth``."""

    def __init__(self, settings: Depth, width: int, outputs: int, pair: Pair | None) -> None:
        super().__init__(settings, width, pair)
        self.layers = nn.ModuleList(nn.Linear(self.input_width, self.input_width) for _ in range(settings.blocks))
        # BERT's own epsilon
        self.norms = nn.ModuleList(nn.LayerNorm(self.input_width, eps=1e-12) for _ in range(settings.blocks))
        self.linear = nn.Linear(self.input_width, outputs)

    @property
    def last(self) -> nn.Linear:
        """The layer after the blocks."""
        return self.linear

    def hidden(self, inputs: Tensor) -> Tensor:
        """Return what the blocks make of ``inputs``."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            inputs = norm(inputs + self.dropout(layer(inputs).relu()))
        return inputs
