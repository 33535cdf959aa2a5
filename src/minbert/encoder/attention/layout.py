"""What all ways of computing attention have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class AttentionLayout(ABC):
    """Where the sequences of a packed batch stand while their tokens attend. Made once a forward pass, for all layers.

    Everything is decided on the CPU, from the offsets; the device is never waited for.
    """

    @abstractmethod
    def attend(self, query_key_value: Tensor, probability: float, window: int | None = None) -> Tensor:
        """Return each token's context, ``softmax(Q K^T / sqrt(head size) + bias) V`` with heads side by side.

        Args:
            query_key_value: (T, 3 * hidden): queries, keys and values, each with its heads side by side.
            probability: of dropping an attention probability; 0 outside of training.
            window: how far from a token those may stand that it attends to, on either side; None for any distance.

        Returns:
            (T, hidden)
        """
