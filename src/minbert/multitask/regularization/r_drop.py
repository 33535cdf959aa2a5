"""R-Drop: two dropout masks, one prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from minbert.multitask.regularization.base import Penalty, Regularization, Regularizer
from minbert.multitask.regularization.passes import Passes


class RDrop(Regularization):
    """``1/n sum_i l(f(x_i), f'(x_i)) / 2`` of two passes with dropout masks of their own, which both carry gradient.

    ``l`` is the symmetric KL divergence, or the squared difference of scores; ``weight`` is the paper's alpha, as its
    authors' code means it: beside a loss of one batch's size. (In equation 4 the losses of both passes are added, which
    is twice that: there alpha is twice this ``weight``. For scores the authors' code adds the whole squared difference,
    not half of it: there alpha is half this ``weight``.) The loss is the mean of both passes'. Departure: beside
    another regularization, and where gradients are cached, it is the first pass's alone; their masks are drawn alike,
    so the gradient to expect is the same. ``divergence`` in a run's history is the penalty, unweighted.
    """

    name: ClassVar[str] = "r_drop"
    title: ClassVar[str] = "two passes with dropout masks of their own shall predict the same"
    source: ClassVar[str] = "Liang et al. 2021, 'R-Drop', equations 2 to 4"
    graphs: ClassVar[int] = 1
    twin: ClassVar[bool] = True
    needs_dropout: ClassVar[bool] = True

    def start(self, weights: Mapping[str, Tensor]) -> Regularizer:  # noqa: ARG002
        """Return a regularizer; it remembers nothing."""
        return _RDropRegularizer()


class _RDropRegularizer(Regularizer):
    def penalty(self, passes: Passes) -> Penalty:
        divergence = passes.divergences(passes.clean, passes.anew()).mean() / 2
        return Penalty(divergence, {"divergence": divergence.detach()})
