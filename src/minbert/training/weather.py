"""Gradient weather: how the tasks' gradients stood to each other, step by step, in sums that an evaluation empties."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Weather:
    """Means, since the last evaluation, of what a combination saw and did.

    Everything is a sum and a count, so a checkpoint can hold it and a resumed run reports the same.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        """Start empty, for ``K`` tasks."""
        self.tasks = list(tasks)
        count = len(self.tasks)
        self.sums = {
            "steps": torch.zeros(1, dtype=torch.float64),
            "weights": torch.zeros(count, dtype=torch.float64),
            "norms": torch.zeros(count, dtype=torch.float64),
            "cosines": torch.zeros(count, count, dtype=torch.float64),
            "conflicts": torch.zeros(count, count, dtype=torch.float64),
            "moved": torch.zeros(1, dtype=torch.float64),
        }

    def add(self, weights: Tensor, gramian: Tensor | None = None) -> None:
        """Count a step: its weights (K,) and, where each task had a backward of its own, the Gramian (K, K)."""
        self.sums["steps"] += 1
        self.sums["weights"] += weights
        if gramian is None:
            return
        norms = gramian.diagonal().clamp(min=0).sqrt()
        lengths = norms[:, None] * norms[None, :]
        # A task without a gradient is at right angles to all others: it conflicts with none.
        cosines = torch.where(lengths > 0, gramian / lengths.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
        self.sums["norms"] += norms
        self.sums["cosines"] += cosines
        self.sums["conflicts"] += (cosines < 0).double()
        change = weights - 1
        plain = gramian.sum().clamp(min=0).sqrt()
        if plain > 0:
            self.sums["moved"] += (change @ gramian @ change).clamp(min=0).sqrt() / plain

    def report(self) -> dict[str, Any]:
        """Return the means as JSON: weights, gradient norms, cosine and share of conflicting steps of every pair.

        ``moved`` is the length of (combined gradient - plain sum) by that of the plain sum. Empty before any step.
        """
        steps = float(self.sums["steps"])
        if not steps:
            return {}
        means = {name: (total / steps).tolist() for name, total in self.sums.items()}
        report: dict[str, Any] = {"weights": dict(zip(self.tasks, means["weights"], strict=True))}
        if any(means["norms"]):
            pairs = list(itertools.combinations(range(len(self.tasks)), 2))
            report |= {
                "norms": dict(zip(self.tasks, means["norms"], strict=True)),
                "cosines": {f"{self.tasks[i]}~{self.tasks[j]}": means["cosines"][i][j] for i, j in pairs},
                "conflicts": {f"{self.tasks[i]}~{self.tasks[j]}": means["conflicts"][i][j] for i, j in pairs},
                "moved": means["moved"][0],
            }
        return report

    def clear(self) -> None:
        """Forget all steps."""
        for total in self.sums.values():
            total.zero_()
