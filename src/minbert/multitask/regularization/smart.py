"""Smoothness-inducing adversarial regularization: half of SMART; the other half is MBPP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from minbert.multitask.regularization.base import Penalty, Regularization, Regularizer
from minbert.multitask.regularization.passes import Passes


class Smart(Regularization):
    """``R_s = 1/n sum_i max_{|d_i| <= epsilon} l(f(x_i + d_i), f(x_i))``: predictions in a ball around each text.

    ``x`` are a row's word embeddings, of both texts of a pair; ``|d|`` is the largest of a row's numbers; ``l`` is the
    symmetric KL divergence, or the squared difference of scores. The maximum is sought by gradient ascent: from
    ``d ~ N(0, sigma^2)``, ``steps`` times, ``d <- clip(d + step_size g / |g|, -epsilon, epsilon)`` with ``g`` the
    gradient of ``l`` by ``d`` alone, the clean prediction held constant. In ``R_s`` itself both predictions carry
    gradient. The paper adds ``mbpp`` to it: ``regularization: [smart, mbpp]`` is SMART as published.

    What the paper leaves open: special tokens are not perturbed, and both passes have the same dropout masks, since
    at the paper's ``epsilon`` other masks move predictions ten thousand times further than the perturbation does.
    All passes of a task with this regularization run in fp32: bf16 could not tell them apart.

    ``divergence`` in a run's history is ``R_s``, ``perturbation`` the mean over rows of ``|d|``.
    """

    name: ClassVar[str] = "smart"
    title: ClassVar[str] = "smoothness: predictions hold still when word embeddings move a little, the worst way"
    source: ClassVar[str] = "Jiang et al. 2020, 'SMART', section 3.1 and Algorithm 1; in the papers: Li & Ya"
    graphs: ClassVar[int] = 1
    needs_fp32: ClassVar[bool] = True

    epsilon: float = Field(
        1e-5, gt=0, allow_inf_nan=False, description="how far a number of a word embedding may move; try 1e-3 and 1e-2"
    )
    sigma: float = Field(
        1e-5, gt=0, allow_inf_nan=False, description="standard deviation of the noise that the search starts from"
    )
    step_size: float = Field(
        1e-3,
        gt=0,
        allow_inf_nan=False,
        description="how far a step of the search goes (eta); an epsilon much above it is never reached",
    )
    steps: int = Field(1, ge=1, description="steps of the search, each a forward and a backward pass")

    def start(self, weights: Mapping[str, Tensor]) -> Regularizer:  # noqa: ARG002
        """Return a regularizer; it remembers nothing."""
        return _SmartRegularizer(self)


class _SmartRegularizer(Regularizer):
    def __init__(self, settings: Smart) -> None:
        self._settings = settings

    def penalty(self, passes: Passes) -> Penalty:
        perturbation = self._worst(passes)
        divergence = passes.divergences(passes.again(perturbation), passes.clean).mean()
        report = {"divergence": divergence.detach(), "perturbation": passes.largest(perturbation).mean()}
        return Penalty(divergence, report)

    def _worst(self, passes: Passes) -> Tensor:
        """Return the perturbation (T, hidden) that the search ends with."""
        settings = self._settings
        text = passes.text_tokens().unsqueeze(-1)
        target = passes.constant()
        perturbation = passes.noise(settings.sigma) * text
        for _ in range(settings.steps):
            perturbation.requires_grad_()
            # No row's perturbation reaches another row, so the gradient of the sum is each row's own.
            total = passes.divergences(passes.again(perturbation), target).sum()
            (gradient,) = torch.autograd.grad(total, perturbation)
            gradient = gradient * text
            # A row that nothing can move has a gradient of 0 and stays where it is.
            largest = passes.largest(gradient).clamp(min=torch.finfo(gradient.dtype).tiny)
            direction = gradient / largest[passes.row_of_token].unsqueeze(-1)
            perturbation = perturbation.detach() + settings.step_size * direction
            perturbation = perturbation.clamp(-settings.epsilon, settings.epsilon)
        return perturbation
