"""Lengths, scores and classes of a file's rows, counted some rows at a time: what ``data check`` tells of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from minbert.data.examined import Block
from minbert.data.examples import TOLD_LINES, same_content
from minbert.data.row import Problem
from minbert.tasks.kinds import Kind
from minbert.text.hashes import HashFile

TokenCounter = Callable[[Sequence[str], Sequence[str] | None], Sequence[int]]
"""From first and second texts (of pairs) to the tokens of every sequence, special ones included."""


@dataclass(frozen=True)
class Lengths:
    """How long the texts of a split are; each text of a pair counts by itself."""

    minimum: int
    median: float
    percentile_95: int
    maximum: int


@dataclass(frozen=True)
class Scores:
    """The labels of a regression split."""

    mean: float
    deviation: float
    minimum: float
    maximum: float


class LengthCounts:
    """How often each length comes: as much memory as there are different ones."""

    def __init__(self) -> None:
        self._times: Counter[int] = Counter()

    def add(self, lengths: Iterable[int]) -> None:
        """Count more lengths."""
        self._times.update(lengths)

    def above(self, limit: int) -> int:
        """Return how many are longer than ``limit``."""
        return sum(times for length, times in self._times.items() if length > limit)

    def lengths(self) -> Lengths | None:
        """Return what they are like; None where there are none."""
        if not self._times:
            return None
        lengths = sorted(self._times)
        up_to = np.cumsum([self._times[length] for length in lengths])

        def at(place: int) -> int:
            """Return the length at a place, from 0, of all lengths in order."""
            return lengths[int(np.searchsorted(up_to, place, side="right"))]

        count = int(up_to[-1])
        median = (at((count - 1) // 2) + at(count // 2)) / 2
        # The smallest length that 95 % of the texts do not exceed, not a value between two lengths.
        return Lengths(lengths[0], median, at(-(-95 * count // 100) - 1), lengths[-1])


class ScoreSums:
    """Mean and deviation of numbers that come some at a time.

    Two parts are joined by the formula of Chan, Golub and LeVeque 1983, "Algorithms for Computing the Sample Variance".
    """

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0
        self._minimum, self._maximum = np.inf, -np.inf

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in more values (N,)."""
        if not len(values):
            return
        count, mean = len(values), float(values.mean())
        total, apart = self._count + count, mean - self._mean
        self._squares += float(((values - mean) ** 2).sum()) + apart**2 * self._count * count / total
        self._mean += apart * count / total
        self._count = total
        self._minimum = min(self._minimum, float(values.min()))
        self._maximum = max(self._maximum, float(values.max()))

    def scores(self) -> Scores | None:
        """Return what they are like; None where there are none."""
        if not self._count:
            return None
        deviation = float(np.sqrt(self._squares / self._count))
        return Scores(self._mean, deviation, float(self._minimum), float(self._maximum))


@dataclass(slots=True)
class Tally:
    """What is counted of the rows of a file."""

    kind: Kind
    count_tokens: TokenCounter | None
    read: int = 0
    """How many rows were read, usable or not."""
    withheld: int = 0
    """How many of them have no label, or -1 where that is none."""
    rows: int = 0
    """How many are usable."""
    labelled: bool = False
    """Whether labels were read."""
    classes: Counter[str] = field(default_factory=Counter)
    scores: ScoreSums = field(default_factory=ScoreSums)
    words: LengthCounts = field(default_factory=LengthCounts)
    tokens: LengthCounts = field(default_factory=LengthCounts)
    contents: HashFile = field(default_factory=HashFile)
    """What the usable rows say: see ``same_content``."""
    incomplete: int = 0
    """How many rows are left out for want of a label or a text."""
    first_incomplete: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, block: Block) -> None:
        """Count the rows of a block."""
        self.read += block.rows
        self.withheld += block.withheld
        self.rows += len(block.ids)
        texts = [block.first] if block.second is None else [block.first, block.second]
        self.contents.add(same_content(of_row) for of_row in zip(*texts, strict=True))
        self.words.add(len(text.split()) for text in chain(*texts))
        if self.count_tokens is not None:
            self.tokens.add(self.count_tokens(block.first, block.second))
        self.labelled = block.labels is not None
        if block.labels is not None and len(block.labels):
            self.classes.update(self.kind.class_counts(block.labels))
            if not self.kind.class_names:
                self.scores.add(block.labels)
        self.incomplete += len(block.incomplete)
        self.first_incomplete = [*self.first_incomplete, *block.incomplete][:TOLD_LINES]
        self.problems += block.problems

    def class_counts(self) -> dict[str, int] | None:
        """Return how many rows each class has, also those that none has; None where there are no classes or labels."""
        return {name: self.classes[name] for name in self.kind.class_names} or None if self.labelled else None
