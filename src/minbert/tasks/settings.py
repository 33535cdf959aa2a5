"""A task's piece of the recipe: labels, how texts meet the encoder, head, loss, metric, weight."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import (
    Field,
    SerializeAsAny,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.config import JsonDict
from torch import Tensor

from minbert.encoder.pooling import Pooling, Taken
from minbert.errors import did_you_mean
from minbert.methods import Settings
from minbert.tasks import thresholds
from minbert.tasks.clusters import duplicate_clusters
from minbert.tasks.divergences import symmetric_kl
from minbert.tasks.heads import Head, HeadOutput, Pair
from minbert.tasks.heads.base import two_vectors
from minbert.tasks.kinds import KINDS, Kind
from minbert.tasks.losses import Loss
from minbert.tasks.predictions import Predictions

_LOSSES = TypeAdapter(Annotated[list[Loss], Field(min_length=1)])
_BY_KIND: JsonDict = {"default": "follows from the kind"}


class TaskSettings(Settings):
    """What the model and the loop must know of a task."""

    kind: SerializeAsAny[Kind] = Field(description="what a label is: one of several classes, yes or no, or a number")
    pair: Pair | None = Field(
        None,
        description="pairs only, how the two texts are read: two sequences (bi), joined (cross, joint), or both",
    )
    pooling: Pooling = Field(
        "mean",
        description="a sequence's vector: the pooler's output, the first token's state, or the mean of all its states",
    )
    head: SerializeAsAny[Head] = Field(
        description="from sentence vectors to logits",
        json_schema_extra={
            "default": "`linear`; for scores of pairs with two vectors `cosine_linear` over `|u-v|` and `u*v`"
        },
    )
    loss: SerializeAsAny[Loss] | list[SerializeAsAny[Loss]] = Field(
        description="what is minimised; of a list, the sum, each loss times its own weight", json_schema_extra=_BY_KIND
    )
    metric: str = Field(description="the score that counts for this task", json_schema_extra=_BY_KIND)
    weight: float = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        validate_default=True,
        description="multiplies the task's loss; null: 1, or less where the loss is mse or cosent alone",
    )
    batch_size: int | None = Field(None, ge=1, description="rows a batch; the schedule's batch_size where not given")

    @model_validator(mode="before")
    @classmethod
    def _by_its_kind(cls, value: Any) -> Any:
        """Put the kind's settings, which stand beside it, into it, and add what follows from it."""
        if not isinstance(value, dict):
            return value
        given = value.get("kind")
        if isinstance(given, Kind):
            kind, rest = type(given), value
        else:
            kind = _kind_named(given)
            keys = kind.model_fields.keys()
            others = {key for other in KINDS.values() for key in other.model_fields} - keys
            for key in others & value.keys():
                if value[key] is not None:
                    those = " or ".join(f"'kind: {name}'" for name, other in KINDS.items() if key in other.model_fields)
                    raise ValueError(f"'{key}' goes with {those}, and only with it")
            rest = {key: setting for key, setting in value.items() if key not in keys | others}
            rest["kind"] = {"name": given} | {key: value[key] for key in keys & value.keys()}
        head = kind.default_head(two_vectors(value.get("pair")))
        return {"head": head, "loss": kind.default_loss, "metric": kind.metrics[0], **rest}

    @model_serializer(mode="wrap")
    def _kinds_settings_beside_it(self, handler: Any) -> dict[str, Any]:
        written = handler(self)
        kind = written.pop("kind")
        return {"kind": kind.pop("name"), **kind, **written}

    @field_validator("loss", mode="wrap")
    @classmethod
    def _one_or_several(cls, value: Any, handler: Any) -> Loss | list[Loss]:  # noqa: ARG003
        # A plain union would tell a mistake twice: once as no loss, once as no list.
        return _LOSSES.validate_python(value) if isinstance(value, list) else Loss.model_validate(value)

    @field_validator("weight", mode="before")
    @classmethod
    def _as_a_loss_alone_asks(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None:
            return value
        # Some losses have gradients that drown every other task's (docs/experiments.md). Of several losses the recipe
        # weighs each by itself, so there is no one weight to derive.
        loss, kind = info.data.get("loss"), info.data.get("kind")
        return loss.task_weight(kind) if isinstance(loss, Loss) and isinstance(kind, Kind) else 1.0

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.pair == "joint" and self.pooling != "mean":
            raise ValueError(
                f"'pair: joint' takes means over each text's states: 'pooling: {self.pooling}' does not fit"
            )
        if why := self.head.refusal(self.kind, self.pair):
            raise ValueError(f"head '{self.head.name}' does not fit: {why}")
        for loss in self.losses:
            if why := loss.refusal(self.kind, self.head, self.pair):
                raise ValueError(f"loss '{loss.name}' does not fit: {why}")
            if (key := self.kind.weights_key) and not loss.weighs_labels:
                raise ValueError(f"'{key}' does not go with loss '{loss.name}': it is no mean of a loss of each label")
        known = self.kind.known_metrics()
        if self.metric not in known:
            raise ValueError(f"metric '{self.metric}' is none of {', '.join(known)}{did_you_mean(self.metric, known)}")
        if self.kind.decides_on_dev and (why := thresholds.refusal(self.metric, known)):
            raise ValueError(why)
        return self

    @property
    def metrics(self) -> tuple[str, ...]:
        """All that the task is scored by: what its kind always is, and its own metric."""
        return tuple(dict.fromkeys((*self.kind.metrics, self.metric)))

    @property
    def sequences_per_row(self) -> int:
        """How many sequences the encoder sees of a row: two for a ``bi`` pair, three for ``both``, else one."""
        return {"bi": 2, "both": 3}.get(self.pair or "", 1)

    @property
    def taken(self) -> Taken:
        """What is taken of a sequence: its pooling or, of a ``joint`` pair, the means of both texts."""
        return "texts" if self.pair == "joint" else self.pooling

    @property
    def losses(self) -> list[Loss]:
        """The task's losses, one or several."""
        return self.loss if isinstance(self.loss, list) else [self.loss]

    @property
    def whole_batches(self) -> bool:
        """Whether a batch must not be cut: a loss of it is no mean over rows."""
        return not all(loss.over_rows for loss in self.losses)

    @property
    def trains_head(self) -> bool:
        """Whether a loss of the task trains weights of its head."""
        return self.head.has_weights and any(loss.weight and not loss.over_vectors for loss in self.losses)

    @property
    def least_squares(self) -> bool:
        """Whether the loss of a linear head is the squared difference of what its layer puts out and the label."""
        return all(loss.least_squares for loss in self.losses) and not self.head.chooses_among_classes

    def as_solved(self) -> TaskSettings:
        """Return the task with the losses that its head can be solved by before training.

        They are its own means over rows, else the kind's own loss: one that compares rows with each other has no scale
        that a solution could be held to.
        """
        own = [loss for loss in self.losses if loss.weight and loss.over_rows and not loss.over_vectors]
        return self.model_copy(update={"loss": own or Loss.model_validate(self.kind.default_loss)})

    def compute_loss(
        self, output: HeadOutput, labels: Tensor, clusters: Tensor | None = None, weights: Tensor | None = None
    ) -> Tensor:
        """Return the weighted sum of the task's losses (a scalar) for rows with labels (R, ...).

        ``clusters`` (R, 2) are the rows' own of what ``clusters`` returned for all rows, and ``weights`` (R, ...) their
        own of ``Kind.label_weights``.
        """
        losses = []
        for loss in self.losses:
            targets = loss.targets(labels, self.kind)
            if weights is None:
                losses.append(loss.weight * loss(output, targets, clusters))
            else:
                losses.append(loss.weight * (weights * loss.of_labels(output, targets)).mean())
        return torch.stack(losses).sum()

    def divergences(self, one: HeadOutput, other: HeadOutput) -> Tensor:
        """Return how far apart two head outputs are, row by row: (R,), see ``Kind.divergences``.

        Scores read off classes are compared by their classes.
        """
        if one.class_logits is not None and other.class_logits is not None:
            return symmetric_kl(one.class_logits, other.class_logits)
        return self.kind.divergences(one.logits, other.logits)

    def fitted(self, predicted: Predictions, labels: NDArray[np.float64]) -> Self:
        """Return the settings with what the kind leaves to dev chosen on these answers to labelled rows of dev."""
        if not self.kind.decides_on_dev or predicted.probabilities is None:
            return self
        return self.model_copy(update={"kind": self.kind.fitted(predicted.probabilities, labels, self.metric)})

    def clusters(self, texts: NDArray[np.int64], labels: NDArray[np.float64]) -> Tensor | None:
        """Return the duplicate clusters (R, 2) of all training rows, or None where no loss asks for them.

        Args:
            texts: (R, 2) the numbers of each row's two texts; equal texts have equal numbers.
            labels: (R,) the rows' labels.
        """
        known = [loss.duplicates(torch.tensor(labels)) for loss in self.losses]
        asked = [rows for rows in known if rows is not None]
        if not asked:
            return None
        return torch.from_numpy(duplicate_clusters(texts[:, 0], texts[:, 1], torch.stack(asked).any(0).numpy()))


def _kind_named(name: Any) -> type[Kind]:
    if not isinstance(name, str) or name not in KINDS:
        hint = did_you_mean(name, KINDS) if isinstance(name, str) else ""
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)}; found {name!r}{hint}")
    return KINDS[name]
