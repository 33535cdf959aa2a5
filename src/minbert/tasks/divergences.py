"""How far two predictions for the same rows lie apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def symmetric_kl(one: Tensor, other: Tensor) -> Tensor:
    """Return ``KL(P||Q) + KL(Q||P)``, (R,), of the softmaxes of two sets of logits (R, classes)."""
    log_p, log_q = one.log_softmax(-1), other.log_softmax(-1)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1)


def bernoulli_symmetric_kl(one: Tensor, other: Tensor) -> Tensor:
    """Return ``KL(P||Q) + KL(Q||P)`` of the Bernoulli distributions with these log-odds; any shape."""
    # log p/q - log (1-p)/(1-q) is the difference of the log-odds: no logarithm of a probability is needed.
    return (one.sigmoid() - other.sigmoid()) * (one - other)
