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
    """Return what logits (R, outputs) say; see ``decided`` for how a class or score is read off."""
    logits = logits.double().cpu()
    if labels.kind == "classification":
        return decided(logits.softmax(-1).numpy(), labels)
    if labels.kind == "binary":
        yes = torch.sigmoid(logits.squeeze(-1))
        return decided(torch.stack([1 - yes, yes], dim=-1).numpy(), labels)
    return decided(logits.squeeze(-1).numpy(), labels)


def decided(answers: NDArray[np.float64], labels: LabelSettings) -> Predictions:
    """Return the predictions that follow from probabilities (R, classes), or from scores (R,).

    A class is the likeliest one, yes is a probability of at least one half, a score is cut off at the ends of the
    labels' range: a similarity of 5.2 out of 5 means nothing.
    """
    if labels.range is not None:
        return Predictions(answers.clip(*labels.range), None, [])
    values = answers[:, 1] >= 0.5 if labels.kind == "binary" else answers.argmax(-1)
    return Predictions(values.astype(np.float64), answers, labels.class_names)
