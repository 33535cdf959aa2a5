"""The linear head: dropout, then one linear layer."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from minbert.tasks.heads.base import Pair
from minbert.tasks.heads.over_features import FeaturesHead, FeaturesModule
from minbert.tasks.kinds import Kind


class Linear(FeaturesHead):
    """``logits = W dropout(x) + b``; for a pair of two sequences ``x`` is the chosen features end to end."""

    name: ClassVar[str] = "linear"
    title: ClassVar[str] = "dropout and one linear layer, over chosen features of a pair"
    source: ClassVar[str] = "Devlin et al. 2019, section 4; pair features: Reimers & Gurevych 2019, section 3"

    def build(self, width: int, kind: Kind, pair: Pair | None) -> LinearHead:
        """Return the head for vectors of ``width`` numbers."""
        return LinearHead(self, width, kind.outputs, pair)


class LinearHead(FeaturesModule):
    """See ``Linear``."""

    def __init__(self, settings: FeaturesHead, width: int, outputs: int, pair: Pair | None) -> None:
        super().__init__(settings, width, pair)
        self.linear = nn.Linear(self.input_width, outputs)

    @property
    def last(self) -> nn.Linear:
        """The one layer."""
        return self.linear
