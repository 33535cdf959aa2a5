"""Where something else may change what an encoder layer computes. What it is, the encoder does not know."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Projection = Literal["query_key_value", "attention_output", "intermediate", "output"]
"""A layer's linear maps: attention's two and the feed-forward's two, in the order they are applied."""


class LayerAdaptation:
    """What a forward pass changes in one layer. This class changes nothing; others override what they change.

    A layer calls it with tensors of all ``T`` tokens of the packed batch.
    """

    def project(self, projection: Projection, inputs: Tensor, outputs: Tensor) -> Tensor:  # noqa: ARG002
        """Return what takes the place of ``outputs`` (T, ...), which the projection made of ``inputs`` (T, ...)."""
        return outputs

    def beside(self, hidden: Tensor) -> Tensor | None:  # noqa: ARG002
        """Return what is added to the layer's sum (T, hidden), from its input; None for nothing.

        A layer that normalises last does so after this sum; one that normalises first gives its input normalised.
        """
        return None


UNCHANGED = LayerAdaptation()
"""For layers that compute what their own weights say."""
