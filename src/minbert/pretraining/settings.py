"""The pretraining loop's piece of its recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from minbert.methods import Settings


class PretrainingSettings(Settings):
    """How long to pretrain, how often to look, what to keep."""

    epochs: int = Field(
        3, ge=1, le=1_000_000, description="how many epochs; one has as many texts as there are, by the balance"
    )
    batch_size: int = Field(32, ge=1, description="texts a step")
    tokens_per_step: int | None = Field(
        None, ge=1, description="a step is as many texts as fit in so many tokens, instead of batch_size texts"
    )
    evaluate_every: int | None = Field(
        None, ge=1, description="score the held-out texts every so many steps; else after each epoch"
    )
    keep: Literal["best", "last"] = Field(
        "best", description="keep the weights with the lowest held-out loss (the start counts too), or the last ones"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="of matrix products; all else is fp32. 'auto' takes bf16 where the processor multiplies it itself",
    )
    tokens_per_microbatch: int = Field(
        8192, ge=1, description="a step's texts go through the encoder at most so many tokens at a time: bounds memory"
    )
    checkpoint_minutes: float = Field(
        5.0, gt=0, description="write a checkpoint at least so often (and at every evaluation)"
    )
    keep_checkpoints: int = Field(
        2, ge=1, description="keep so many: where the newest is damaged, --resume goes on from the one before"
    )
