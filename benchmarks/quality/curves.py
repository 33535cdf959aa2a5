"""Curves of quality over time, as plain data: merged, compared, and asked who is on top when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from time import perf_counter

TIMES = (10, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds after which it is asked who is on top."""
EARLY = (1 / 8, 1 / 4, 1 / 2)
"""Parts of the first epoch after which dev is scored, beside the end of every epoch."""

Scores = Mapping[str, float]
"""Each task's dev score by its name."""
Curves = Mapping[str, "Curve"]
"""Each contestant's curve by its name."""


@dataclass(frozen=True)
class Point:
    """A model that somebody has after so many seconds, and what dev says of it."""

    seconds: float
    scores: Scores

    @property
    def mean(self) -> float:
        """The mean of the tasks' scores."""
        return fmean(self.scores.values())


Curve = Sequence[Point]
"""Points in the order of time."""


class Recorder:
    """Makes the curve of a training that is under way. Its clock runs from its making, but not while dev is scored."""

    def __init__(self) -> None:
        self.curve: list[Point] = []
        self.started = perf_counter()

    def record(self, finish: Callable[[], Callable[[], Scores]]) -> None:
        """Add the model that ``finish`` makes of what is trained so far; it returns what scores that model.

        The seconds that ``finish`` takes count for this point alone: the training goes on without them.
        """
        paused = perf_counter()
        score = finish()
        seconds = perf_counter() - self.started
        self.curve.append(Point(seconds, score()))
        self.started += perf_counter() - paused


def look_steps(steps: int, epochs: int) -> list[int]:
    """Return after which of a course's steps dev is scored."""
    ends = [*EARLY, *range(1, epochs + 1)]
    return [max(1, round(end * steps / epochs)) for end in ends]


def kept(curve: Curve) -> Curve:
    """Return the curve of the best model so far: who keeps the one with the best mean never gets worse."""
    best: list[Point] = []
    for point in sorted(curve, key=lambda point: point.seconds):
        scores = best[-1].scores if best and best[-1].mean > point.mean else point.scores
        best.append(Point(point.seconds, scores))
    return best


def one_after_another(parts: Sequence[Curve]) -> Curve:
    """Return the curve of trainings that each know some of the tasks: at equal shares of them, their seconds add up.

    Raises:
        ValueError: they have different numbers of points.
    """
    merged = []
    for points in zip(*parts, strict=True):
        scores = {task: score for point in points for task, score in point.scores.items()}
        merged.append(Point(sum(point.seconds for point in points), scores))
    return merged


def mean_of_seeds(curves: Sequence[Curve]) -> Curve:
    """Return the curve of means over seeds, point by point.

    Raises:
        ValueError: they have different numbers of points.
    """
    return [
        Point(
            fmean(point.seconds for point in points),
            {task: fmean(point.scores[task] for point in points) for task in points[0].scores},
        )
        for points in zip(*curves, strict=True)
    ]


def at(curve: Curve, seconds: float) -> Point | None:
    """Return the last point within so many seconds, if there is one."""
    return max((point for point in curve if point.seconds <= seconds), key=lambda point: point.seconds, default=None)


def best_at(curves: Curves, seconds: float) -> tuple[str, float] | None:
    """Return whose mean is the highest after so many seconds, and that mean; None where nobody has a model yet."""
    means = {name: point.mean for name, curve in curves.items() if (point := at(curve, seconds)) is not None}
    return max(means.items(), key=lambda item: item[1], default=None)


def seconds_to(curves: Curves, mean: float) -> tuple[str, float] | None:
    """Return who is the first to reach a mean, and after how many seconds; None where nobody does."""
    reached = {
        name: min(point.seconds for point in curve if point.mean >= mean)
        for name, curve in curves.items()
        if any(point.mean >= mean for point in curve)
    }
    return min(reached.items(), key=lambda item: item[1], default=None)
