"""What kinds share whose label is the number of one class."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from minbert.files.long_arrays import parts
from minbert.tasks.kinds.base import Kind, Label, Typical
from minbert.tasks.metrics import Values
from minbert.tasks.numbers import number
from minbert.tasks.predictions import Predictions

_SHOWN = 8
_YAML_WORDS = {"True": "true", "False": "false", "None": "null"}


class ClassesKind(Kind):
    """A label is the number of one class: 0, 1, ... in the order of ``class_names``."""

    class_weights: str | dict[str, float] | None = Field(
        None, description="what rows count in the loss by their class: balanced, or {class: number}; others count 1"
    )

    @field_validator("class_weights", mode="before")
    @classmethod
    def _balanced_or_numbers(cls, value: Any) -> Any:
        return numbers_of_classes(value)

    @model_validator(mode="after")
    def _weights_are_of_its_classes(self) -> Self:
        given = self.class_weights
        if isinstance(given, dict) and not by_class("class_weights", given, self.class_names, 1.0).any():
            raise ValueError("class_weights: every class has 0, so nothing would be learnt. Give one a number above 0")
        return self

    @property
    def weights_key(self) -> str | None:
        """The classes' weights, where there are any."""
        return None if self.class_weights is None else "class_weights"

    def label_weights(self, labels: Values) -> Values | None:
        """Return each row's weight (R,): of balanced ones, ``rows / (classes * rows of the class)``.

        Classes that no row has do not count, so the mean weight is 1 (King & Zeng 2001; as in scikit-learn).
        """
        if self.class_weights is None:
            return None
        numbers = labels.astype(np.int64)
        if isinstance(self.class_weights, dict):
            return by_class("class_weights", self.class_weights, self.class_names, 1.0)[numbers]
        counts = np.bincount(numbers)
        return np.asarray(len(labels) / (counts > 0).sum() / counts[numbers])

    def parse(self, text: str) -> float:
        """Return the class's number; see ``class_number``.

        Raises:
            ValueError: the text names no class.
        """
        return float(class_number(text, self.class_names))

    def written(self, label: Label) -> str:
        """Return the class's name."""
        return self.class_names[int(label)]

    def class_counts(self, labels: Values) -> dict[str, int]:
        """Return how many of labels (R,) are of each class."""
        counts = np.zeros(len(self.class_names), np.int64)
        for part in parts(len(labels)):
            counts += np.bincount(labels[part].astype(np.int64), minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def typical(self, labels: Values) -> Typical:
        """Return the class that most rows have; of several, the first."""
        commonest = int(np.argmax(list(self.class_counts(labels).values())))
        return Typical(f"majority ({self.written(commonest)})", np.eye(len(self.class_names))[commonest])

    @property
    def decision(self) -> dict[str, Any]:
        """The likeliest class."""
        return {"rule": "likeliest"}

    def decided(self, answers: Values) -> Predictions:
        """Return the likeliest class of probabilities (R, classes)."""
        return Predictions(answers.argmax(-1).astype(np.float64), answers, self.class_names)


def class_number(text: str, names: Sequence[str]) -> int:
    """Return the place of the class that ``text`` means.

    A class is written by its name. Names that are numbers compare as numbers (``3.0`` is ``3``); where no name is one,
    the class's place may be written instead.

    Raises:
        ValueError: the text is none of them.
    """
    text, names = text.strip(), tuple(names)
    places, places_of_numbers = _places(names)
    place = places.get(text)
    if place is None and (value := number(text)) is not None:
        place = places_of_numbers.get(value)
    if place is None:
        shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        raise ValueError(f"label '{text}' is none of: {shown}")
    return place


def checked_names(names: list[Any]) -> list[str]:
    """Return a recipe's names of classes.

    Raises:
        ValueError: one is no text, or none that a file could hold as a name, or there twice.
    """
    if not all(isinstance(name, str) for name in names):
        quoted = [_YAML_WORDS.get(repr(name), str(name)) for name in names]
        raise ValueError(
            f"put the names in quotes, each as the files write it: {quoted}. "
            "YAML reads true and false as truth values, null as nothing, and 1 as a number"
        )
    for name in names:
        if not name.strip() or name != name.strip() or len(name.splitlines()) > 1:
            raise ValueError(f"{name!r} is no class name: it is empty, or has white space around it or line breaks")
    if len(set(names)) < len(names):
        raise ValueError("'classes' names a class twice")
    return names


def numbers_of_classes(value: Any) -> Any:
    """Return a recipe's ``balanced``, or its mapping from classes, as they are written, to numbers of at least 0.

    Raises:
        ValueError: it is neither.
    """
    if value is None or value == "balanced":
        return value
    if not isinstance(value, dict) or not value:
        raise ValueError("give 'balanced', or a number for each class: {class: number}")
    for name, given in value.items():
        if isinstance(name, bool) or name is None:
            raise ValueError("put the classes in quotes: YAML reads true and false as truth values, null as nothing")
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < math.inf:
            raise ValueError(f"class '{name}': give a finite number of at least 0; found {given!r}")
    return {str(name): float(given) for name, given in value.items()}


def by_class(key: str, given: Mapping[str, float], names: Sequence[str], else_: float) -> Values:
    """Return the number that is given for each class (classes,), ``else_`` for those that have none.

    Raises:
        ValueError: one is given for no class, or twice for the same.
    """
    numbers = np.full(len(names), else_)
    known: set[int] = set()
    for text, value in given.items():
        try:
            place = class_number(text, names)
        except ValueError as error:
            raise ValueError(f"{key}: {str(error).removeprefix('label ')}") from None
        if place in known:
            raise ValueError(f"{key}: class '{text}' is given twice")
        known.add(place)
        numbers[place] = value
    return numbers


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
