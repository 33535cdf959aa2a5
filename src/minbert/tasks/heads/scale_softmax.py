"""The scale-softmax head: a score as a choice among the whole numbers of the labels' range."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from minbert.tasks.heads.base import HeadOutput, Pair
from minbert.tasks.heads.features import full_precision
from minbert.tasks.heads.linear import LinearHead
from minbert.tasks.heads.over_features import FeaturesHead
from minbert.tasks.kinds import Kind


class ScaleSoftmax(FeaturesHead):
    """``p = softmax(W dropout(x) + b)`` over the scores low, low + 1, ..., high; the score is ``sum_s p_s s``.

    A range from 0 to 5 has six classes. ``soft_cross_entropy`` trains the classes; losses on the score work as well.
    Gao does not say how a score is read off: the expected value keeps what lies between two classes, the likeliest
    class is a whole number. In training the score is the expected value either way, since the likeliest class has no
    gradient.
    """

    name: ClassVar[str] = "scale_softmax"
    title: ClassVar[str] = "a softmax over the whole numbers of the labels' range"
    source: ClassVar[str] = "Gao, section 3.3 (text similarity)"
    chooses_among_classes: ClassVar[bool] = True

    decode: Literal["expected", "argmax"] = Field(
        "expected", description="the score outside training: the expected value, or the likeliest class"
    )

    def refusal(self, kind: Kind, pair: Pair | None) -> str | None:  # noqa: ARG002
        """Return why this head cannot serve such a task, or None where it can."""
        if kind.bounds is None:
            return "it scores on a range (kind: regression)"
        if any(end != round(end) for end in kind.bounds):
            return "its classes are whole numbers, so both ends of 'range' must be"
        return None

    def build(self, width: int, kind: Kind, pair: Pair | None) -> ScaleSoftmaxHead:
        """Return the head for vectors of ``width`` numbers."""
        assert kind.bounds is not None  # refusal() lets no other kind through
        return ScaleSoftmaxHead(self, width, kind.bounds, pair)


class ScaleSoftmaxHead(LinearHead):
    """See ``ScaleSoftmax``."""

    scores: Tensor

    def __init__(self, settings: ScaleSoftmax, width: int, label_range: tuple[float, float], pair: Pair | None) -> None:
        low, high = map(int, label_range)
        super().__init__(settings, width, high - low + 1, pair)
        self.decode = settings.decode
        self.register_buffer("scores", torch.arange(low, high + 1, dtype=torch.float32), persistent=False)

    def output(self, logits: Tensor) -> HeadOutput:
        """Return the scores (R, 1), with the classes' logits."""
        classes = full_precision(logits)
        if self.decode == "argmax" and not self.training:
            scores = self.scores[classes.argmax(-1)]
        else:
            scores = (classes.softmax(-1) * self.scores).sum(-1)  # a matrix product would be bf16 under autocast
        return HeadOutput(scores.unsqueeze(-1), None, classes)
