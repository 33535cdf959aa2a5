"""AdamaxW: Adamax with weight decay taken out of the gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from minbert.optim.base import AdamFamily


class AdamaxW(AdamFamily):
    """Adamax (Kingma & Ba 2015, section 7.1) with decoupled weight decay (Loshchilov & Hutter 2019).

    For a parameter ``w`` with gradient ``g``, at its ``t``-th step::

        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, abs(g) + eps)
        w = w - lr * weight_decay * w - lr / (1 - beta1**t) * m / u

    Adam divides by the root of a mean of squared gradients; Adamax by the largest gradient so far, older ones counting
    for less. The paper has no ``eps``; here, as in torch, it is added to the gradient's absolute value, inside the
    maximum, so a weight that has never had a gradient is not divided by 0. The decay is multiplied by the whole
    learning rate, as in ``AdamW``. A parameter without a gradient is left alone: no decay, no step, moments as they
    were.

    The state of a parameter is ``step`` (), on the CPU, ``exp_avg`` and ``exp_inf`` (both like the parameter): plain
    tensors.
    """

    moments = ("exp_avg", "exp_inf")

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # no closure: the loop computes gradients first
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if not self.state[parameter]:
                    self.state[parameter] = self.fresh_state(parameter)
                update_(
                    parameter,
                    self.tables.dense(parameter),
                    **self.state[parameter],
                    lr=group["lr"],
                    beta1=beta1,
                    beta2=beta2,
                    eps=group["eps"],
                    weight_decay=group["weight_decay"],
                )
        self.tables.clear()


def update_(
    parameter: Tensor,
    gradient: Tensor,
    exp_avg: Tensor,
    exp_inf: Tensor,
    step: Tensor,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    """Update one parameter and its state in place: the formula of ``AdamaxW``, line by line."""
    step += 1
    exp_avg.lerp_(gradient, 1 - beta1)
    torch.maximum(exp_inf.mul_(beta2), gradient.abs().add_(eps), out=exp_inf)
    parameter.mul_(1 - lr * weight_decay)
    parameter.addcdiv_(exp_avg, exp_inf, value=-lr / (1 - beta1 ** step.item()))
