"""The asymmetric loss of rows with several classes, most of which do not hold."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F  # noqa: N812
from pydantic import Field
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.losses.base import Loss

_TINY = 1e-8


class Asymmetric(Loss):
    """``-(1 - p)^g+ log p`` of a class that holds, ``-q^g- log(1 - q)`` of others, with ``q = max(p - m, 0)``.

    Classes that do not hold and are easily told count little, those below the margin nothing. The paper sums over
    classes; here it is the mean, as of every loss of such rows.
    """

    name: ClassVar[str] = "asymmetric"
    title: ClassVar[str] = "binary cross entropies in which classes that plainly do not hold count little"
    source: ClassVar[str] = "Ridnik et al. 2021, 'Asymmetric Loss for Multi-Label Classification', equations 5 to 7"
    kinds: ClassVar[tuple[str, ...]] = ("multilabel",)
    weighs_labels: ClassVar[bool] = True

    gamma_positive: float = Field(0.0, ge=0, allow_inf_nan=False, description="focusing of classes that hold")
    gamma_negative: float = Field(4.0, ge=0, allow_inf_nan=False, description="focusing of classes that do not hold")
    probability_margin: float = Field(
        0.05, ge=0, lt=1, description="taken off the probability of classes that do not hold"
    )

    def of_labels(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the loss of each class (R, classes)."""
        logits = output.logits
        positive = logits.sigmoid()
        # A power below 1 has no finite slope at 0.
        shifted, missing = (positive - self.probability_margin).clamp(min=_TINY), (1 - positive).clamp(min=_TINY)
        holding = missing**self.gamma_positive * F.logsigmoid(logits)
        # log(1 - p) where nothing is taken off, which 1 - p would round for large logits
        log_rest = F.logsigmoid(-logits) if not self.probability_margin else (1 - shifted).log()
        return -(labels * holding + (1 - labels) * shifted**self.gamma_negative * log_rest)

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the mean over rows and classes."""
        return self.of_labels(output, labels).mean()
