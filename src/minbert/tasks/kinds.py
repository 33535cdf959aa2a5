"""What labels a task may have, and how many outputs its head gives."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from minbert.methods import Settings

Kind = Literal["classification", "binary", "regression"]


class LabelSettings(Settings):
    """The labels of a task: one of ``n`` classes, yes or no, or a number in a range."""

    kind: Kind = Field(description="what a label is: one of several classes, yes/no, or a number")
    classes: int | list[str] | None = Field(
        None, description="classification only: the number of classes (labels 0, 1, ...) or their names"
    )
    range: tuple[float, float] | None = Field(
        None, description="regression only: the lowest and the highest label, for example [0, 5]"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.classes is not None) != (self.kind == "classification"):
            raise ValueError("'classes' goes with 'kind: classification', and only with it")
        if (self.range is not None) != (self.kind == "regression"):
            raise ValueError("'range' goes with 'kind: regression', and only with it")
        if self.kind == "classification" and len(self.class_names) < 2:
            raise ValueError("'classes' must be at least 2")
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError("'classes' names a class twice")
        if self.range is not None and not (math.isfinite(self.range[0]) and self.range[0] < self.range[1] < math.inf):
            raise ValueError("'range' must be [lowest, highest], two finite numbers, the first one smaller")
        return self

    @property
    def class_names(self) -> list[str]:
        """The classes' names in the order of their labels; empty for regression."""
        if self.kind == "binary":
            return ["0", "1"]
        if isinstance(self.classes, int):
            return [str(label) for label in range(self.classes)]
        return self.classes or []

    @property
    def outputs(self) -> int:
        """How many logits a head gives a row: one a class, or a single one."""
        return len(self.class_names) if self.kind == "classification" else 1

    def parse(self, text: str) -> float:
        """Return the label written as ``text``: a class's number, 0 or 1, or a score.

        Classes may be written by name or, unless a name is itself a number, as whole numbers (``3``, ``3.0``).

        Raises:
            ValueError: the text is no label of this task; the message says what a label would be.
        """
        text = text.strip()
        names = self.class_names
        if text in names:
            return float(names.index(text))
        number = float(text) if _is_number(text) else math.nan
        if self.range is not None:
            low, high = self.range
            if low <= number <= high:
                return number
            raise ValueError(f"label '{text}' is not a number from {low:g} to {high:g}")
        if number in range(len(names)) and not (isinstance(self.classes, list) and any(map(_is_number, names))):
            return number
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise ValueError(f"label '{text}' is none of: {shown}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
