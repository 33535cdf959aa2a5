"""Each task's own gradient over what tasks share: their inner products, and their weighted sum."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from minbert.optim.gradients import from_rows, on_common_rows


class TaskGradients:
    """The gradients of ``K`` tasks over ``P`` parameters; None where a task does not reach one."""

    def __init__(self, gradients: Sequence[Sequence[Tensor | None]]) -> None:
        """Take ``gradients``, a list of ``P`` for each task: their memory is used for the sum."""
        self._count = len(gradients)
        self._of_parameter, self._rows, self._shapes = [], [], []
        for own in zip(*gradients, strict=True):
            dense, rows = on_common_rows(own)
            self._of_parameter.append(dense)
            self._rows.append(rows)
            self._shapes.append(next((gradient.shape for gradient in own if gradient is not None), torch.Size()))

    def gramian(self, places: Sequence[int] | None = None) -> Tensor:
        """Return the inner products (K, K), float64 on the CPU; a missing gradient counts as 0.

        ``places`` chooses parameters by their numbers; by default all count.
        """
        products = torch.zeros(self._count, self._count, dtype=torch.float64)
        pairs = [(i, j) for i in range(self._count) for j in range(i, self._count)]
        dots: dict[tuple[int, int], list[Tensor]] = {pair: [] for pair in pairs}
        # Parameter by parameter, so that all pairs find its gradients in the cache. Not torch.dot: its running total of
        # 590,000 products is off by 1e-5 on a CPU, of 12 million by 5e-4; a sum over halves of halves by 7e-8.
        for own in self._of_parameter if places is None else [self._of_parameter[place] for place in places]:
            for i, j in pairs:
                left, right = own[i], own[j]
                if left is not None and right is not None:
                    dots[i, j].append((left * right).sum())
        for pair, parts in dots.items():
            if parts:  # added up where they are: a GPU is asked for a number a pair, not for one a parameter
                products[pair] = torch.stack(parts).double().sum().cpu()
        return products + products.triu(1).T

    def combine(self, weights: Tensor) -> list[Tensor | None]:
        """Return the sums (P) weighted by ``weights`` (K,); None where no task has a gradient. Call it last."""
        factors = weights.tolist()
        totals: list[Tensor | None] = []
        for gradients, rows, shape in zip(self._of_parameter, self._rows, self._shapes, strict=True):
            total: Tensor | None = None
            for gradient, weight in zip(gradients, factors, strict=True):
                if gradient is not None:
                    total = gradient.mul_(weight) if total is None else total.add_(gradient, alpha=weight)
            totals.append(total if total is None or rows is None else from_rows(total, rows, shape))
        return totals
