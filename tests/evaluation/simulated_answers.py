"""Answers whose true scores are known."""

from __future__ import annotations

import numpy as np

from minbert.evaluation.resampling import Array
from minbert.tasks.kinds import KINDS

CASES = [(kind, metric) for kind in KINDS for metric in KINDS[kind].metrics]


def answers(kind: str, rows: int, runs: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Return labels (rows,) and predictions (runs, rows) that are right more often than not, with ties."""
    if kind == "regression":
        labels = random.integers(0, 11, rows) / 2
        return labels, np.clip(np.round(labels + random.normal(0, 1.2, (runs, rows)), 1), 0, 5)
    classes = 4 if kind == "classification" else 2
    labels = random.integers(0, classes, rows).astype(float)
    guesses = random.integers(0, classes, (runs, rows)).astype(float)
    return labels, np.where(random.random((runs, rows)) < 0.5, labels, guesses)


def skilled(rows: Array, runs: int, of_seeds: float, random: np.random.Generator) -> Array:
    """Return right (1) or wrong (0), (runs, R): a row's ease, the seed's skill, and how both go together."""
    skill = 0.5 + random.normal(0, of_seeds, (runs, 1))
    return (rows + skill + random.normal(0, 0.5, (runs, len(rows))) > 0).astype(float)
