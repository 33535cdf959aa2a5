"""The seeds that a recipe is trained with, and how far scores scatter over them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from minbert.errors import UserError, shown

HIGHEST_SEED = 2**63 - 1
"""The highest whole number that YAML here and torch take."""
MOST_SEEDS = 10_000

Seed = Annotated[int, Field(ge=0, le=HIGHEST_SEED)]


@dataclass(frozen=True, slots=True)
class Spread:
    """A score over seeds."""

    mean: float
    sd: float | None
    """The sample standard deviation (over n - 1); None of a single seed."""
    n: int

    @classmethod
    def of(cls, scores: Sequence[float]) -> Spread:
        sd = statistics.stdev(scores) if len(scores) > 1 else None
        return cls(statistics.fmean(scores), sd, len(scores))

    def __str__(self) -> str:
        return f"{self.mean:.3f}" + (f" ± {self.sd:.3f}" if self.sd is not None else "")


def read_seeds(text: str, first: int) -> list[int]:
    """Return the seeds of ``3`` (so many, from ``first`` on) or ``1,2,3`` (these).

    Raises:
        UserError: it is neither.
    """
    if not re.fullmatch(r"[0-9]{1,20}(,[0-9]{1,20})*", text) or text == "0":
        raise UserError(f"--seeds {shown(text)}: give how many (3), or which (1,2,3).")
    numbers = [int(number) for number in text.split(",")]
    if len(set(numbers)) < len(numbers):
        raise UserError(f"--seeds {shown(text)}: names a seed twice.")
    if len(numbers) == 1:
        if numbers[0] > MOST_SEEDS:
            raise UserError(f"--seeds {text}: that is how many; at most {MOST_SEEDS:,}.")
        numbers = [first + index for index in range(numbers[0])]
    if max(numbers) > HIGHEST_SEED:
        raise UserError(f"--seeds {shown(text)}: a seed is at most {HIGHEST_SEED}.")
    return numbers
