"""What a head is: settings that build a module from sentence vectors to logits."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from minbert.methods import Method
from minbert.tasks.heads.features import full_precision
from minbert.tasks.kinds import Kind

if TYPE_CHECKING:
    from minbert.tasks.heads.solving import Problem

Pair = Literal["bi", "cross", "joint", "both"]
"""How the two texts of a pair meet the encoder: as two sequences, joined into one with segments, joined and yet with a
vector for each text, or both as two sequences and joined."""


def two_vectors(pair: Pair | None) -> bool:
    """Return whether a row has a vector for each of its two texts."""
    return pair in ("bi", "joint", "both")


class HeadOutput(NamedTuple):
    """What a head makes of ``R`` rows."""

    logits: Tensor
    """(R, outputs), fp32."""
    vectors: tuple[Tensor, ...] | None
    """The sentence vectors of the rows, each (R, width): of pairs with two vectors both texts', else the one. None
    where nothing compares them."""
    class_logits: Tensor | None = None
    """From a head whose score is a choice among classes: their logits (R, classes), fp32. Else None."""


class HeadModule(nn.Module):
    """A built head. Subclasses map the vectors of ``R`` rows to logits.

    ``forward`` takes sentence vectors (N, width): N = R, or, for a ``bi`` pair, N = 2R, all first texts and then all
    second texts, or, for ``both``, N = 3R, the joined texts last. Of a ``joint`` pair both texts' vectors come side by
    side, (R, 2 width).
    """

    def __init__(self, pair: Pair | None) -> None:
        super().__init__()
        self.pair = pair

    def forward(self, vectors: Tensor) -> HeadOutput:
        """Return the logits (R, outputs), and the vectors of each row's text, or of both of its texts."""
        parts = self.parts(vectors)
        return self.output(self.logits(*parts))._replace(vectors=parts[:2])

    def parts(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """Return the sentence vectors of ``R`` rows as ``logits`` takes them, each (R, width)."""
        if not two_vectors(self.pair):
            return (vectors,)
        return vectors.chunk(2, dim=1) if self.pair == "joint" else vectors.chunk(3 if self.pair == "both" else 2)

    def logits(self, *vectors: Tensor) -> Tensor:
        """Return logits (R, outputs) from a row's sentence vectors, each (R, width).

        One, or those of the first and the second text, or these and that of both joined.
        """
        raise NotImplementedError

    def output(self, logits: Tensor) -> HeadOutput:
        """Return what the head says where its ``logits`` are these (R, outputs)."""
        return HeadOutput(full_precision(logits), None)

    def solve(self, vectors: Tensor, problem: Problem) -> bool:  # noqa: ARG002
        """Set the weights to those that answer the problem's rows best, and return whether there is a way to.

        ``vectors`` are the rows' as ``forward`` takes them. A head that does not say how it is solved keeps its start.
        """
        return False


class Head(Method):
    """A recipe's choice of head."""

    family: ClassVar[str] = "head"
    default: ClassVar[str | None] = "linear"
    has_weights: ClassVar[bool] = True
    """Whether it has weights, so that a loss must train it."""
    chooses_among_classes: ClassVar[bool] = False
    """Whether its score is a choice among the whole numbers of the labels' range (``HeadOutput.class_logits``)."""

    def refusal(self, kind: Kind, pair: Pair | None) -> str | None:  # noqa: ARG002
        """Return why this head cannot serve such a task, or None where it can."""
        return None

    @abstractmethod
    def build(self, width: int, kind: Kind, pair: Pair | None) -> HeadModule:
        """Return a freshly initialised head over sentence vectors of ``width`` numbers."""
