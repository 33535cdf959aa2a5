"""What heads with layers of their own share: the features of a pair they see, and their dropout."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import Field, field_validator
from torch import Tensor, nn

from minbert.tasks.heads.base import Head, HeadModule, HeadOutput, Pair, two_vectors
from minbert.tasks.heads.features import Feature, features_width, pair_features
from minbert.tasks.heads.solving import LayerRows, Problem, solve_layer, train_layers
from minbert.tasks.kinds import Kind


def features_field(default: list[Feature]) -> Any:
    """Return the field ``features`` with the given default."""
    return Field(
        default,
        min_length=1,
        description="pairs with two vectors only: what the head sees of these, u and v",
    )


class FeaturesHead(Head):
    """A head over the chosen features of a pair with two vectors, or over the one sentence vector of a row."""

    features: list[Feature] = features_field(["u", "v", "|u-v|", "u*v"])
    dropout: float = Field(0.1, ge=0, lt=1, description="share of each layer's input dropped in training")
    normalize: bool = Field(
        False, description="scale every sentence vector to length 1 first, as encoders that compare by cosines do"
    )

    @field_validator("features")
    @classmethod
    def _distinct(cls, features: list[Feature]) -> list[Feature]:
        if len(set(features)) != len(features):
            raise ValueError("a feature is named twice")
        return features


class FeaturesModule(HeadModule):
    """See ``FeaturesHead``: ``logits = read_off(W dropout(hidden(x)) + b)``, ``x`` being the ``inputs`` of a row.

    A subclass builds the layer of ``W`` and ``b``, and hands it out as ``last``.
    """

    def __init__(self, settings: FeaturesHead, width: int, pair: Pair | None) -> None:
        super().__init__(pair)
        self.dropout = nn.Dropout(settings.dropout)
        self.features, self.normalize = settings.features, settings.normalize
        self.input_width = features_width(self.features, width) if two_vectors(pair) else width
        if pair == "both":
            self.input_width += width

    def inputs(self, *vectors: Tensor) -> Tensor:
        """Return what the head's layers see, (R, ``input_width``): of three vectors the features, and the third."""
        if self.normalize:
            vectors = tuple(F.normalize(vector, dim=-1) for vector in vectors)
        if len(vectors) == 1:
            return vectors[0]
        first, second, *joined = vectors
        return torch.cat([pair_features(self.features, first, second), *joined], dim=-1)

    def hidden(self, inputs: Tensor) -> Tensor:
        """Return what the layers below the last make of ``inputs``: nothing, where there are none."""
        return inputs

    def seen(self, inputs: Tensor) -> Tensor:
        """Return what the last layer sees."""
        seen: Tensor = self.dropout(self.hidden(inputs))
        return seen

    @property
    def last(self) -> nn.Linear:
        """The last layer."""
        raise NotImplementedError

    def above(self) -> list[nn.Parameter]:
        """Return the weights that ``read_off`` uses."""
        return []

    def offset(self, *vectors: Tensor) -> Tensor | None:  # noqa: ARG002
        """Return what is added to the last layer's output, (R, outputs), and no weight has a part in; None: nothing."""
        return None

    def logits(self, *vectors: Tensor) -> Tensor:
        """Return logits (R, outputs)."""
        scores: Tensor = self.last(self.seen(self.inputs(*vectors)))
        offset = self.offset(*vectors)
        return self.read_off(scores if offset is None else offset + scores)

    def read_off(self, scores: Tensor) -> Tensor:
        """Return the logits (R, outputs) that follow from what the last layer puts out: the same, as a rule."""
        return scores

    def answer(self, scores: Tensor) -> HeadOutput:
        """Return what the head says where its last layer puts out these scores."""
        return self.output(self.read_off(scores))

    def solve(self, vectors: Tensor, problem: Problem) -> bool:
        """Solve the last layer over what it sees; layers below it are trained with it for a short while."""
        head = deepcopy(self).double().train()
        with torch.no_grad():
            parts = head.parts(vectors.double())
            rows = LayerRows(head.inputs(*parts), head.offset(*parts), head.answer, head.above(), problem)
        if set(head.parameters()) > {*head.last.parameters(), *head.above()}:
            train_layers(head, head.seen, head.last, rows)
        else:
            solve_layer(head.last, rows)
        self.load_state_dict(head.state_dict())
        return True


class OrderedHead(FeaturesHead):
    """A head for classes in order."""

    def refusal(self, kind: Kind, pair: Pair | None) -> str | None:  # noqa: ARG002
        """Return why this head cannot serve such a task, or None where it can."""
        return None if kind.ordered else "it is for classes in order (kind: ordinal)"
