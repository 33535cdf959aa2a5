"""What kinds with classes share: a label is the number of one class."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minbert.tasks.kinds.base import Kind, Label, Typical
from minbert.tasks.metrics import Values
from minbert.tasks.numbers import number
from minbert.tasks.predictions import Predictions

_SHOWN = 8


class ClassesKind(Kind):
    """A label is the number of one class: 0, 1, ... in the order of ``class_names``."""

    def parse(self, text: str) -> float:
        """Return the class's number.

        A class is written by its name. Names that are numbers compare as numbers (``3.0`` is ``3``); where no name is
        one, the class's place may be written instead.

        Raises:
            ValueError: the text is none of them.
        """
        text, names = text.strip(), tuple(self.class_names)
        places, places_of_numbers = _places(names)
        place = places.get(text)
        if place is None and (value := number(text)) is not None:
            place = places_of_numbers.get(value)
        if place is None:
            shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            raise ValueError(f"label '{text}' is none of: {shown}")
        return float(place)

    def written(self, label: Label) -> str:
        """Return the class's name."""
        return self.class_names[int(label)]

    def class_counts(self, labels: Values) -> dict[str, int]:
        """Return how many of labels (R,) are of each class."""
        counts = np.bincount(labels.astype(np.int64), minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def typical(self, labels: Values) -> Typical:
        """Return the class that most rows have; of several, the first."""
        commonest = int(np.argmax(list(self.class_counts(labels).values())))
        return Typical(f"majority ({self.written(commonest)})", np.eye(len(self.class_names))[commonest])

    def decided(self, answers: Values) -> Predictions:
        """Return the likeliest class of probabilities (R, classes)."""
        return Predictions(answers.argmax(-1).astype(np.float64), answers, self.class_names)


@functools.cache
def _places(names: tuple[str, ...]) -> tuple[dict[str, int], dict[Any, int | None]]:
    """Return each class's place by its name, and by its number: None where two names are one number."""
    values = [number(name) for name in names]
    if all(known is None for known in values):
        values = [number(str(place)) for place in range(len(names))]
    by_number: dict[Any, int | None] = {}
    for place, value in enumerate(values):
        if value is not None:
            by_number[value] = None if value in by_number else place
    return {name: place for place, name in enumerate(names)}, by_number
