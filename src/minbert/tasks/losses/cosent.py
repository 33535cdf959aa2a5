"""CoSENT: cosines in the order of their labels."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import pad

from minbert.tasks.heads.base import HeadOutput
from minbert.tasks.heads.features import cosine
from minbert.tasks.kinds import Kind
from minbert.tasks.losses.base import Loss


class Cosent(Loss):
    """``log(1 + sum exp(scale (cos_j - cos_i)))`` over all rows i, j of the batch with ``label_i > label_j``.

    Only the order of labels counts. A batch without two different labels has a loss of 0. The loss trains the encoder
    alone: a head with weights of its own needs another loss beside it.
    """

    name: ClassVar[str] = "cosent"
    title: ClassVar[str] = "every cosine above those of rows with a lower label"
    source: ClassVar[str] = "Su 2022, 'CoSENT (1)', kexue.fm/archives/8847"
    kinds: ClassVar[tuple[str, ...]] = ("binary", "regression")
    over_rows: ClassVar[bool] = False
    over_vectors: ClassVar[Literal["texts"]] = "texts"

    scale: float = Field(20.0, gt=0, allow_inf_nan=False, description="the cosines are multiplied by it")

    def task_weight(self, kind: Kind) -> float:  # noqa: ARG002
        """Return 1 / ``scale``, with which the gradient with respect to the cosines does not grow with the scale."""
        return 1 / self.scale

    def __call__(self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the loss of the batch."""
        assert output.vectors is not None
        cosines = self.scale * cosine(*output.vectors)
        differences = cosines - cosines.unsqueeze(-1)  # [i, j]: row j less row i
        differences = differences.masked_fill(labels.unsqueeze(-1) <= labels, float("-inf"))
        return pad(differences.flatten(), (1, 0)).logsumexp(0)  # the 0 put in front is the 1 of the sum
