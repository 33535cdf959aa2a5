"""How far two predictions for the same rows lie apart."""

from __future__ import annotations

from torch import Tensor

from minbert.tasks.heads import HeadOutput
from minbert.tasks.kinds import Kind


def divergences(kind: Kind, one: HeadOutput, other: HeadOutput) -> Tensor:
    """Return how far apart two head outputs are, row by row: (R,), at least 0, and 0 where they are equal.

    Classes, and scores read off classes: the symmetric KL divergence of the two softmaxes. One logit for yes or no:
    that of the two Bernoulli distributions. A score: the squared difference, in the labels' own units. Both sides
    carry their gradient. (Jiang et al. 2020, section 3.1.)
    """
    if one.class_logits is not None and other.class_logits is not None:
        return symmetric_kl(one.class_logits, other.class_logits)
    if kind == "classification":
        return symmetric_kl(one.logits, other.logits)
    if kind == "binary":
        return bernoulli_symmetric_kl(one.logits, other.logits).squeeze(-1)
    return (one.logits - other.logits).square().squeeze(-1)


def symmetric_kl(one: Tensor, other: Tensor) -> Tensor:
    """Return ``KL(P||Q) + KL(Q||P)``, (R,), of the softmaxes of two sets of logits (R, classes)."""
    log_p, log_q = one.log_softmax(-1), other.log_softmax(-1)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1)


def bernoulli_symmetric_kl(one: Tensor, other: Tensor) -> Tensor:
    """Return ``KL(P||Q) + KL(Q||P)`` of the Bernoulli distributions with these log-odds; any shape."""
    # log p/q - log (1-p)/(1-q) is the difference of the log-odds: no logarithm of a probability is needed.
    return (one.sigmoid() - other.sigmoid()) * (one - other)
