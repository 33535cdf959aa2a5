"""A task's piece of the recipe: labels, how texts meet the encoder, head, loss, metric, weight."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, SerializeAsAny, model_validator
from pydantic.config import JsonDict

from minbert.encoder.pooling import Pooling
from minbert.errors import did_you_mean
from minbert.tasks.heads import Head, Pair
from minbert.tasks.kinds import LabelSettings
from minbert.tasks.losses import Loss
from minbert.tasks.metrics import METRICS

_DEFAULT_LOSS = {"classification": "cross_entropy", "binary": "binary_cross_entropy", "regression": "mse"}
_BY_KIND: JsonDict = {"default": "follows from the kind"}


class TaskSettings(LabelSettings):
    """What the model and the loop must know of a task."""

    pair: Pair | None = Field(
        None, description="pairs only: 'bi' encodes the two texts as two sequences, 'cross' joins them into one"
    )
    pooling: Pooling = Field(
        "mean", description="a sequence's vector: the pooler's output, the [CLS] state, or the mean of all its states"
    )
    head: SerializeAsAny[Head] = Field(Head.model_validate({}), description="from sentence vectors to logits")
    loss: SerializeAsAny[Loss] = Field(description="what is minimised", json_schema_extra=_BY_KIND)
    metric: str = Field(description="the score that counts for this task", json_schema_extra=_BY_KIND)
    weight: float = Field(1.0, ge=0, allow_inf_nan=False, description="the loss is multiplied by it")
    batch_size: int | None = Field(None, ge=1, description="rows a batch; the schedule's batch_size where not given")

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_kind(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        kind = value.get("kind")
        if kind not in _DEFAULT_LOSS:
            raise ValueError(f"'kind' must be one of {', '.join(_DEFAULT_LOSS)}; found {kind!r}")
        return {"loss": _DEFAULT_LOSS[kind], "metric": next(iter(METRICS[kind])), **value}

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if why := self.head.refusal(self, self.pair):
            raise ValueError(f"head '{self.head.name}' does not fit: {why}")
        if why := self.loss.refusal(self):
            raise ValueError(f"loss '{self.loss.name}' does not fit: {why}")
        known = METRICS[self.kind]
        if self.metric not in known:
            raise ValueError(f"metric '{self.metric}' is none of {', '.join(known)}{did_you_mean(self.metric, known)}")
        return self

    @property
    def sequences_per_row(self) -> int:
        """How many sequences the encoder sees of a row: two for a ``bi`` pair, else one."""
        return 2 if self.pair == "bi" else 1
