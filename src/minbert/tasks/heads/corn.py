"""The CORN head: classes in order as a chain of questions, each asked only of what has passed the one before."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from minbert.tasks.heads.base import Pair
from minbert.tasks.heads.features import full_precision
from minbert.tasks.heads.over_features import FeaturesModule, OrderedHead
from minbert.tasks.kinds import Kind


class Corn(OrderedHead):
    """``P(y > k | y > k - 1) = sigmoid(w_k dropout(x) + b_k)``; it puts out ``log P(y = k)``.

    With loss ``cross_entropy`` it is CORN: a row's loss is the sum of the cross entropies of the questions it is asked.
    The paper divides a batch's sum by the number of questions, here it is by the number of rows.
    """

    name: ClassVar[str] = "corn"
    title: ClassVar[str] = "classes in order: a chain of yes/no questions whether the label exceeds the next class"
    source: ClassVar[str] = "Shi, Cao & Raschka 2021, 'Deep Neural Networks for Rank-Consistent Ordinal Regression'"

    def build(self, width: int, kind: Kind, pair: Pair | None) -> CornHead:
        """Return the head for vectors of ``width`` numbers."""
        return CornHead(self, width, kind.outputs, pair)


class CornHead(FeaturesModule):
    """See ``Corn``."""

    def __init__(self, settings: Corn, width: int, outputs: int, pair: Pair | None) -> None:
        super().__init__(settings, width, pair)
        self.linear = nn.Linear(self.input_width, outputs - 1)

    @property
    def last(self) -> nn.Linear:
        """The one layer."""
        return self.linear

    def read_off(self, scores: Tensor) -> Tensor:
        """Return the logarithms of the classes' probabilities (R, classes)."""
        logits = full_precision(scores)
        none = torch.zeros_like(logits[:, :1])
        reached = torch.cat([none, F.logsigmoid(logits).cumsum(-1)], dim=-1)
        return reached + torch.cat([F.logsigmoid(-logits), none], dim=-1)
