"""Gradient Vaccine: each gradient is turned until its cosines with the others are at least what they usually are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from minbert.multitask.combination.base import Combination, Surgeon
from minbert.multitask.combination.gramian import NOISE, Array, checked, norms_and_units, other_tasks

LARGEST_TARGET = 1 - 1e-6
NOTHING_LEFT = 1e-12


class GradVac(Combination):
    """Sum of turned gradients: for each ``i``, ``p = g_i``; then for each ``j != i`` in random order, with ``phi`` the
    cosine of ``p`` and the original ``g_j`` and ``t_ij`` its target, where ``phi < t_ij``:
    ``p += |p| (t_ij sqrt(1 - phi^2) - phi sqrt(1 - t_ij^2)) / (|g_j| sqrt(1 - t_ij^2)) g_j``, which makes the cosine
    ``t_ij``; then ``t_ij = (1 - beta) t_ij + beta phi``. Targets start at 0, so the first step is PCGrad's.

    The directions are summed, without conflict this is the plain sum. Weights are at least 1. The paper finds the
    cosines best taken layer by layer; here they are of all shared parameters together (its ``whole_model``).

    No finite step reaches a cosine of 1, so a target above ``1 - 1e-6`` is taken as that. A gradient of 0 has no
    cosine: it neither turns another nor teaches a target; nor does a ``p`` of which projections left nothing (a squared
    norm below ``1e-12`` of its parts). torchjd's ``GradVac`` gives the same weights for ``eps=0`` elsewhere; its
    ``beta`` and LibMTL's are 0.5, the paper's is 0.01.
    """

    name: ClassVar[str] = "gradvac"
    title: ClassVar[str] = "turn each gradient to its usual cosines with the others (Gradient Vaccine)"
    source: ClassVar[str] = "Wang et al. 2021, 'Gradient Vaccine', algorithm 1"

    beta: float = Field(0.01, ge=0, le=1, description="how much of a target cosine each step replaces")

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that remembers the target cosines."""
        return _Vaccine(tasks, self.beta)


class _Vaccine(Surgeon):
    def __init__(self, tasks: int, beta: float) -> None:
        self._tasks, self._beta = tasks, beta
        self._targets: Array = np.zeros((tasks, tasks))

    def weights(self, gramian: Tensor, losses: Tensor, generator: np.random.Generator) -> Tensor:  # noqa: ARG002
        norms, units = norms_and_units(checked(gramian, self._tasks), NOISE)
        products = (units * norms).T @ (units * norms)
        total = np.zeros(self._tasks)
        for task in range(self._tasks):
            coefficients = np.zeros(self._tasks)
            coefficients[task] = 1
            for other in other_tasks(task, self._tasks, generator):
                inner = products @ coefficients
                squared, parts = float(coefficients @ inner), coefficients * norms
                if norms[other] == 0 or squared <= NOTHING_LEFT * float(parts @ parts):
                    continue
                own = float(np.sqrt(squared))
                cosine = float(np.clip(inner[other] / own / norms[other], -1, 1))
                target = min(float(self._targets[task, other]), LARGEST_TARGET)
                if cosine < target:
                    sine, target_sine = np.sqrt(1 - cosine**2), np.sqrt(1 - target**2)
                    turn = (target * sine - cosine * target_sine) / target_sine
                    coefficients[other] += own * turn / norms[other]
                self._targets[task, other] += self._beta * (cosine - self._targets[task, other])
            total += coefficients
        return torch.from_numpy(total)

    def state(self) -> dict[str, Tensor]:
        return {"targets": torch.from_numpy(self._targets.copy())}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._targets = state["targets"].to("cpu", torch.float64).numpy().copy()
