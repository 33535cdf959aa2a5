"""What a combination is: settings that start a combiner, which turns the tasks' losses or gradients into one step.

There are two kinds. A *weigher* gives each task's loss a weight that it knows before the step; the weighted sum then
goes through one forward and one backward. A *surgeon* sees the inner products of the tasks' gradients (their Gramian)
and gives each gradient a weight; every task then has a backward of its own. A surgeon's weights act on the parameters
that tasks share: a head always gets its own task's plain gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from torch import Tensor

from minbert.methods import Method


class Combiner:
    """What a combination remembers in the course of a run of ``K`` tasks. All tensors are float64 on the CPU."""

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold for the run to go on as if it had never stopped."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state`` returned."""


class Weigher(Combiner, ABC):
    """Gives each task's loss a weight, from what it has seen in earlier steps."""

    @abstractmethod
    def weights(self) -> Tensor:
        """Return the weights (K,) of the next step's losses."""

    def update(self, losses: Tensor, gradient_norms: Tensor | None, generator: np.random.Generator) -> None:
        """Learn from a step.

        Args:
            losses: (K,) the step's unweighted losses.
            gradient_norms: (K,) the norms of the tasks' unweighted gradients at the chosen shared layer, where the
                combination names a ``norm_layer``.
            generator: for whatever is random.
        """


class Surgeon(Combiner, ABC):
    """Gives each task's gradient a weight."""

    @abstractmethod
    def weights(self, gramian: Tensor, losses: Tensor, generator: np.random.Generator) -> Tensor:
        """Return the weights (K,) of the tasks' gradients; their weighted sum is the step's direction.

        Args:
            gramian: (K, K) the inner products of the tasks' gradients over shared parameters.
            losses: (K,) the step's unweighted losses.
            generator: for whatever is random.
        """


class Combination(Method):
    """A recipe's choice of how tasks share a step."""

    family: ClassVar[str] = "combination"
    default: ClassVar[str | None] = "sum"

    @property
    def norm_layer(self) -> str | int | None:
        """The shared layer at which ``Weigher.update`` wants the norms of the tasks' own gradients; None: nowhere.

        ``last``, ``pooler``, ``all``, or the number of an encoder layer.
        """
        return None

    @property
    def looks_at_gradients(self) -> bool:
        """Whether it looks at the tasks' own gradients over the parameters that they share."""
        return self.norm_layer is not None or isinstance(self.start(2), Surgeon)

    @abstractmethod
    def start(self, tasks: int) -> Combiner:
        """Return a combiner for a run of ``tasks`` tasks."""
