"""The seeds that a recipe is trained with, and how far scores scatter over them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from minbert.errors import UserError


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
    if not re.fullmatch(r"\d+(,\d+)*", text) or text == "0":
        raise UserError(f"--seeds {text}: give how many (3), or which (1,2,3).")
    numbers = [int(number) for number in text.split(",")]
    if len(set(numbers)) < len(numbers):
        raise UserError(f"--seeds {text}: names a seed twice.")
    return numbers if len(numbers) > 1 else [first + index for index in range(numbers[0])]
