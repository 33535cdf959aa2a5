"""The MLP head: hidden layers with ReLU, then one linear layer."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from minbert.tasks.heads.base import Pair, two_vectors
from minbert.tasks.heads.features import Feature
from minbert.tasks.heads.over_features import FeaturesHead, FeaturesModule, features_field
from minbert.tasks.kinds import Kind


class Mlp(FeaturesHead):
    """``x <- relu(W dropout(x) + b)`` for each hidden width, then ``logits = W dropout(x) + b``.

    Goel et al. use 768-256-64-outputs for single texts and 1536-512-64-outputs for pairs, with an encoder 768 wide.
    ``preset: goel`` keeps these shares of the encoder's width: a third of it (two thirds for a ``bi`` pair), then a
    twelfth.
    """

    name: ClassVar[str] = "mlp"
    title: ClassVar[str] = "hidden layers with ReLU and dropout, then one linear layer"
    source: ClassVar[str] = "Goel, Hidayatullah & Nagafuchi, section 3.2 (model size)"

    features: list[Feature] = features_field(["u", "v"])
    preset: Literal["goel"] | None = Field(
        "goel", description="hidden widths of a paper, scaled to the encoder's width; null where `widths` are given"
    )
    widths: list[Annotated[int, Field(ge=1)]] | None = Field(
        None, min_length=1, description="hidden widths, from the input on, instead of a preset"
    )

    @model_validator(mode="before")
    @classmethod
    def _widths_take_the_presets_place(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("widths") is not None and "preset" not in value:
            return {**value, "preset": None}
        return value

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.preset is None) == (self.widths is None):
            raise ValueError("give either 'preset' or 'widths'")
        return self

    def hidden_widths(self, width: int, pair: Pair | None) -> list[int]:
        """Return the widths of the hidden layers over an encoder of ``width``."""
        if self.widths is not None:
            return self.widths
        return [max(1, round(width * (2 if two_vectors(pair) else 1) / 3)), max(1, round(width / 12))]

    def build(self, width: int, kind: Kind, pair: Pair | None) -> MlpHead:
        """Return the head for vectors of ``width`` numbers."""
        return MlpHead(self, width, kind.outputs, pair)


class MlpHead(FeaturesModule):
    """See ``Mlp``."""

    def __init__(self, settings: Mlp, width: int, outputs: int, pair: Pair | None) -> None:
        super().__init__(settings, width, pair)
        widths = [self.input_width, *settings.hidden_widths(width, pair), outputs]
        self.layers = nn.ModuleList(nn.Linear(inner, outer) for inner, outer in pairwise(widths))

    @property
    def last(self) -> nn.Linear:
        """The layer after the hidden ones."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        return last

    def hidden(self, inputs: Tensor) -> Tensor:
        """Return what the hidden layers make of ``inputs``."""
        for layer in self.layers[:-1]:
            inputs = layer(self.dropout(inputs)).relu()
        return inputs
