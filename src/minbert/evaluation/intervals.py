"""How far a score can be trusted: bootstrap intervals over rows and seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minbert.evaluation.answers import Answers
from minbert.evaluation.resampling import Array, resampled_scores, score_each
from minbert.randomness import generator
from minbert.tasks.kinds import KINDS
from minbert.tasks.metrics import METRICS

RESAMPLES = 2000
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A score, or a difference of scores, with the ends of its interval."""

    score: float
    low: float
    high: float


class SeedScatter(NamedTuple):
    """How far a mean over seeds strays because other seeds might have been drawn."""

    variance: float
    """Of the mean."""
    degrees_of_freedom: float
    """Of the variance's estimate."""

    def draws(self, number: int, which: int = 0) -> Array:
        """Return ``number`` deviations of the mean: quantiles of Student's t, evenly spaced, in random order.

        Other numbers ``which`` give other orders: those of systems that know nothing of each other.
        """
        from scipy.special import stdtrit

        if not self.variance:
            return np.zeros(number)
        ranks = generator(0, "seeds", which).permutation(number)
        return math.sqrt(self.variance) * np.asarray(stdtrit(self.degrees_of_freedom, (ranks + 0.5) / number))


def score_interval(
    kind: str,
    metric: str,
    runs: Sequence[Answers],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the mean of a metric over runs with its bootstrap interval.

    A single run's interval is the percentile bootstrap's over rows: it says how far the score might be off because
    other rows might have been drawn, of this very model. Of several seeds of one recipe, the interval is for the
    recipe's mean over seeds: a hierarchical bootstrap (rows, the same ones for all seeds, and seeds). At the level of
    seeds it draws from Student's t with the variance among seeds that rows do not explain (``seed_scatter``), not from
    the seeds themselves: redrawing five seeds gives four fifths of their variance, and no tails.

    The percentile interval is taken because it never leaves a metric's range and needs no jackknife. Below some fifty
    rows it is a little too narrow, and where every answer is right it has no width. Calls give the same numbers again.

    Args:
        kind: the name of the task's.
        metric: one of the kind's.
        runs: answers of each run to the same rows.
        confidence: how often an interval made like this holds the truth.
        resamples: how many resamples it is read off.

    Raises:
        ValueError: no runs or rows, a metric of another kind, or answers to different rows.
    """
    if not runs or not len(runs[0]) or metric not in KINDS[kind].known_metrics():
        raise ValueError(f"an interval needs runs, rows and a metric of {kind}, not {metric}")
    if not all(run.same_rows(runs[0]) for run in runs[1:]):
        raise ValueError("the runs answered different rows")
    scored, labels = METRICS[metric], runs[0].labels
    outputs = np.stack([scored.outputs(run.predictions) for run in runs])
    observed = score_each(metric, labels, outputs)
    resampled = resampled_scores(metric, labels, outputs, resamples)
    return within_range(interval_of_mean(observed, resampled, confidence), [scored.bounds])


def interval_of_mean(observed: Array, resampled: Array, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of the mean of scores (runs,) from those of the same runs' resamples (resamples, runs)."""
    draws = resampled.mean(1) + seed_scatter(observed, resampled).draws(len(resampled))
    return percentiles(float(observed.mean()), draws, confidence)


def within_range(interval: Interval, bounds: Sequence[tuple[float, float]]) -> Interval:
    """Return the interval of a mean, cut off at the mean of the least and that of the greatest values it is of."""
    least, greatest = np.mean(bounds, axis=0).tolist()
    return Interval(interval.score, max(least, interval.low), min(greatest, interval.high))


def seed_scatter(observed: Array, resampled: Array) -> SeedScatter:
    """Return how far the mean of scores (runs,) strays from seed to seed; not at all where there is one run only.

    Two seeds' scores differ for two reasons: the seeds, and how each of them does on the rows that happen to be there.
    Resampling rows shows the second (how much the differences between seeds vary over resamples) and draws it already,
    so only what is left of the variance counts here.
    """
    runs = len(observed)
    if runs == 1:
        return SeedScatter(0.0, 1.0)
    by_rows = float((resampled - observed).var(axis=1, ddof=1).mean())
    return SeedScatter(max(0.0, float(observed.var(ddof=1)) - by_rows) / runs, runs - 1.0)


def percentiles(score: float, draws: Array, confidence: float) -> Interval:
    """Return ``score`` with the ends between which the middle ``confidence`` of draws (n,) lies."""
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(score, float(low), float(high))
