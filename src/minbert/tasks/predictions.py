"""From logits to what a user reads: classes with probabilities, or scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minbert.tasks.kinds import LabelSettings


@dataclass(frozen=True, slots=True)
class Predictions:
    """The predictions for ``R`` rows of one task."""

    values: NDArray[np.float64]
    """(R,): the class's number, 0 or 1, or the score."""
    probabilities: NDArray[np.float64] | None
    """(R, classes): the probability of every class (two columns for yes/no); None for regression."""
    class_names: list[str]
    """The classes' names in the order of ``probabilities``' columns; empty for regression."""

    @property
    def names(self) -> list[str]:
        """The predicted classes by name; empty for regression."""
        return [self.class_names[int(value)] for value in self.values] if self.class_names else []


def predictions(logits: Tensor, labels: LabelSettings) -> Predictions:
    """Return what logits (R, outputs) say.

    A class is the largest logit, yes is a probability of at least one half, a score is cut off at the ends of the
    labels' range: a similarity of 5.2 out of 5 means nothing.
    """
    logits = logits.double().cpu()
    if labels.kind == "classification":
        probabilities = logits.softmax(-1)
        values = probabilities.argmax(-1)
    elif labels.kind == "binary":
        yes = torch.sigmoid(logits.squeeze(-1))
        probabilities = torch.stack([1 - yes, yes], dim=-1)
        values = yes >= 0.5
    else:
        assert labels.range is not None
        return Predictions(logits.squeeze(-1).clamp(*labels.range).numpy(), None, [])
    return Predictions(values.double().numpy(), probabilities.numpy(), labels.class_names)
