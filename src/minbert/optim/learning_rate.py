"""How the learning rate rises at the start of a run and falls towards its end."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, field_validator

from minbert.methods import Settings


class LearningRateSettings(Settings):
    """Linear warm-up, then decay (Devlin et al. 2019, appendix A.2: linear; Loshchilov & Hutter 2017: cosine)."""

    warmup: int | float = Field(
        0.1,
        description="steps of rising learning rate at the start: a share of the run (below 1) or a number of steps",
    )
    decay: Literal["constant", "linear", "cosine"] = Field(
        "linear", description="how the learning rate falls towards 0 after the warm-up, if it does"
    )

    @field_validator("warmup", mode="before")
    @classmethod
    def _share_or_steps(cls, value: Any) -> Any:
        is_share = isinstance(value, float) and 0 <= value < 1
        is_steps = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not (is_share or is_steps):
            raise ValueError("give a share of the run, from 0 up to 1 (not included), or a whole number of steps")
        return value

    def warmup_steps(self, total_steps: int) -> int:
        """Return how many of the run's steps are warm-up.

        Raises:
            ValueError: more steps of warm-up are asked for than the run has.
        """
        if isinstance(self.warmup, float):
            return round(self.warmup * total_steps)
        if self.warmup > total_steps:
            raise ValueError(
                f"warmup of {self.warmup} steps is longer than the run of {total_steps} steps: "
                "give fewer, or a share of the run such as 0.1"
            )
        return self.warmup

    def factor(self, step: int, total_steps: int) -> float:
        """Return what to multiply base learning rates by at ``step``, counted from 0.

        With ``W`` warm-up steps, step ``s`` < W has ``(s + 1) / (W + 1)``, step ``W`` has 1, and from there the decay
        would reach 0 at ``total_steps``. So every step of the run learns something, the first and the last included.

        Raises:
            ValueError: the step is not in the run, or the warm-up is longer than it.
        """
        if not 0 <= step < total_steps:
            raise ValueError(f"step {step} is not in a run of {total_steps} steps (the first step is 0)")
        warmup = self.warmup_steps(total_steps)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = (step - warmup) / (total_steps - warmup)
        if self.decay == "constant":
            return 1.0
        if self.decay == "linear":
            return 1 - progress
        return (1 + math.cos(math.pi * progress)) / 2
