"""The loop's piece of the recipe."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from minbert.methods import Settings


class TrainingSettings(Settings):
    """How long to train, how often to look, what to keep."""

    encoder: Literal["finetuned", "frozen"] = Field(
        "finetuned",
        description="'frozen' (the papers' \"pretrain\" mode) trains the heads alone: the encoder reads each text once",
    )
    head_start: Literal["probe", "random"] = Field(
        "probe",
        description="'probe' solves the heads over the encoder's vectors before the first step; 'random' does not",
    )
    head_end: Literal["trained", "probe"] = Field(
        "trained",
        description="'probe' solves the heads once more after the last step, over the trained encoder; with keep: last",
    )
    epochs: int = Field(3, ge=1, le=1_000_000, description="how many epochs; what an epoch is, the schedule says")
    head_epochs: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="after training, train each head alone for so many epochs and keep it where its dev score rises",
    )
    evaluate_every: int | None = Field(None, ge=1, description="score dev every so many steps; else after each epoch")
    patience: int | None = Field(
        None, ge=1, description="stop after so many evaluations without a better score; never where not given"
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="keep the model that is best on dev (the start counts too), or the last, which needs no dev rows",
    )
    select: str = Field(
        "overall",
        description="the dev score that says which is best: overall, overall_leaderboard, TASK, or TASK.METRIC",
    )
    keep_best_of_tasks: bool = Field(
        False,
        description="also keep the model that is best on dev for each task, and for all of them, in the folder best/",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="of matrix products; all else is fp32. 'auto' tries both and takes bf16 where it is much faster",
    )
    tokens_per_microbatch: int = Field(
        8192, ge=1, description="a step's rows go through the encoder at most so many tokens at a time: bounds memory"
    )
    checkpoint_minutes: float = Field(
        5.0, gt=0, description="write a checkpoint at least so often (and at every evaluation)"
    )
    keep_checkpoints: int = Field(
        2, ge=1, description="keep so many: where the newest is damaged, --resume goes on from the one before"
    )

    @model_validator(mode="after")
    def _heads_are_solved_on_what_is_kept(self) -> Self:
        if self.head_end == "probe" and self.keep != "last":
            raise ValueError("'head_end: probe' solves the last model's heads: set 'keep: last', too, or leave it out")
        if self.head_end == "probe" and self.head_epochs:
            raise ValueError("'head_end: probe' solves heads, and 'head_epochs' trains them: leave one of them out")
        return self

    @model_validator(mode="after")
    def _patience_waits_for_a_better_score(self) -> Self:
        if self.patience is not None and self.keep == "last":
            raise ValueError("'patience' waits for a better model, and 'keep: last' keeps the last: leave out one")
        return self
