"""Answers whose true scores are known."""

from __future__ import annotations

import numpy as np

from minbert.evaluation.resampling import Array
from minbert.tasks.kinds import KINDS
from minbert.tasks.metrics import METRICS
from minbert.tasks.predictions import Predictions

CASES = [(kind, metric) for kind in KINDS for metric in KINDS[kind].known_metrics()]


def answers(kind: str, rows: int, runs: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Return labels (rows, ...) and predictions (runs, rows, ...) that are right more often than not, with ties."""
    if kind == "regression":
        labels = random.integers(0, 11, rows) / 2
        return labels, np.clip(np.round(labels + random.normal(0, 1.2, (runs, rows)), 1), 0, 5)
    classes = 2 if kind in ("binary", "multilabel") else 4
    shape = (rows, 3) if kind == "multilabel" else (rows,)
    labels = random.integers(0, classes, shape).astype(float)
    guesses = random.integers(0, classes, (runs, *shape)).astype(float)
    return labels, np.where(random.random((runs, *shape)) < 0.5, labels, guesses)


def outputs(kind: str, metric: str, rows: int, runs: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Return labels and what the metric scores: predictions (runs, R) or probabilities (runs, R, classes)."""
    labels, predictions = answers(kind, rows, runs, random)
    if not METRICS[metric].of_probabilities:
        return labels, predictions
    if kind == "multilabel":
        return labels, np.round(0.7 * random.random(predictions.shape) + 0.3 * predictions, 1)
    classes = 2 if kind == "binary" else 4
    likely = np.round(random.random((runs, rows, classes)), 1) + 0.5 * (predictions[..., None] == np.arange(classes))
    return labels, (likely + 0.01) / (likely + 0.01).sum(-1, keepdims=True)


def predictions_of(metric: str, run: Array) -> Predictions:
    """Return the predictions of which ``run`` is what the metric scores."""
    if METRICS[metric].of_probabilities:
        several = metric == "average_precision" and run.shape[-1] == 3
        return Predictions((run >= 0.5).astype(float) if several else run.argmax(-1).astype(float), run, [])
    return Predictions(run, None, [])


def skilled(rows: Array, runs: int, of_seeds: float, random: np.random.Generator) -> Array:
    """Return right (1) or wrong (0), (runs, R): a row's ease, the seed's skill, and how both go together."""
    skill = 0.5 + random.normal(0, of_seeds, (runs, 1))
    return (rows + skill + random.normal(0, 0.5, (runs, len(rows))) > 0).astype(float)
