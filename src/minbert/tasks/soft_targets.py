"""Learning a teacher's choice among classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def class_shares(logits: Tensor, temperature: float) -> Tensor:
    """Return the probabilities (R, classes) ``softmax(logits / temperature)``."""
    return (logits / temperature).softmax(-1)


def soft_target_loss(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return the mean over rows (a scalar) of the cross entropy with a teacher's ``class_shares``.

    It is multiplied by temperature^2, so that its gradient keeps its size beside the gold loss whatever the temperature
    (Hinton et al. 2015, section 2).
    """
    import torch.nn.functional as F  # noqa: N812

    return F.cross_entropy(logits / temperature, targets) * temperature**2
