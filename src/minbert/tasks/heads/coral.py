"""The CORAL head: one score for all classes in order, and a threshold between each two neighbours."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from minbert.tasks.heads.base import Pair
from minbert.tasks.heads.features import full_precision
from minbert.tasks.heads.over_features import FeaturesModule, OrderedHead
from minbert.tasks.kinds import Kind


class Coral(OrderedHead):
    """``P(y > k) = sigmoid(w dropout(x) + b_k)`` with ``b_0 > b_1 > ...``; it puts out ``log P(y = k)``.

    The paper's thresholds are free, and in order where the loss is least. Here they are in order throughout: the first
    one is a weight, and each distance to the next is the softplus of a weight. At first a score of 0 means that every
    class is as likely.
    """

    name: ClassVar[str] = "coral"
    title: ClassVar[str] = "classes in order: one score for all, and a threshold between each two neighbours"
    source: ClassVar[str] = "Cao, Mirjalili & Raschka 2020, section 3.3; McCullagh 1980 (proportional odds)"

    def build(self, width: int, kind: Kind, pair: Pair | None) -> CoralHead:
        """Return the head for vectors of ``width`` numbers."""
        return CoralHead(self, width, kind.outputs, pair)


class CoralHead(FeaturesModule):
    """See ``Coral``."""

    def __init__(self, settings: Coral, width: int, outputs: int, pair: Pair | None) -> None:
        super().__init__(settings, width, pair)
        self.linear = nn.Linear(self.input_width, 1, bias=False)
        above = torch.arange(outputs - 1, 0, -1) / outputs
        thresholds = above.logit()
        self.first = nn.Parameter(thresholds[:1].clone())
        self.gaps = nn.Parameter((thresholds[:-1] - thresholds[1:]).expm1().log())  # what softplus undoes

    @property
    def last(self) -> nn.Linear:
        """The one layer."""
        return self.linear

    def above(self) -> list[nn.Parameter]:
        """Return the thresholds."""
        return [self.first, self.gaps]

    def read_off(self, scores: Tensor) -> Tensor:
        """Return the logarithms of the classes' probabilities (R, classes)."""
        gaps = F.softplus(self.gaps)
        thresholds = torch.cat([self.first, self.first - gaps.cumsum(0)])
        logits = full_precision(scores) + thresholds
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), with no difference of like numbers
        above, not_above = F.logsigmoid(logits), F.logsigmoid(-logits)
        between = above[:, :-1] + not_above[:, 1:] + (-(-gaps).expm1()).log()
        return torch.cat([not_above[:, :1], between, above[:, -1:]], dim=-1)
