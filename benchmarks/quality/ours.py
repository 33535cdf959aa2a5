"""Our own contestants: recipes, trained as ``minbert train`` does."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import scipy.optimize  # noqa: F401  (a run imports it when it solves heads, and imports count for nobody)
from rich.console import Console

from minbert.display.progress import Display
from minbert.running.run import train_recipe
from minbert.running.texts import task_sizes
from quality.curves import Curve, Point
from quality.rows import METRIC, Course
from texts import rows_of

SHARES = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""Of the training rows: who solves a head over frozen vectors has a model sooner if he reads fewer of them."""
SOLVED = {
    "training.head_start": "probe",
    "training.epochs": 1,
    "tasks.similarity.head": {"name": "cosine_linear", "features": ["|u-v|", "u*v"]},
}
"""Heads that are solved before the first step; a bare cosine has nothing to solve."""
FROZEN = {**SOLVED, "training.encoder": "frozen"}
SHORT = {**SOLVED, "schedule.method": {"name": "round_robin", "epoch": "similarity"}}
"""From solved heads, one pass over the smallest set."""
ONE_PASS = {
    **SOLVED,
    "schedule.method": {"name": "round_robin", "epoch": "paraphrase"},
    "optimizer.learning_rate": 1.5e-4,
    "tasks.sentiment.weight": 0.4,
    "tasks.sentiment.batch_size": 16,
    "tasks.similarity.weight": 0.3,
    "tasks.similarity.batch_size": 12,
}
"""From solved heads, one pass over the largest set: the record of docs/speedrun.md."""
LOOKS = 8
"""In an epoch, dev is scored so often."""


class Clock:
    """A tracker that makes a run's curve: all seconds before the first step, and then those of the steps.

    A run's history counts its steps alone. Reading files, tokenizing, the choice of a number format, loading the
    encoder, encoding frozen texts and solving heads come before; a run tells its trackers when all that is done.
    """

    def __init__(self) -> None:
        self.curve: list[Point] = []
        self.made = perf_counter()
        self.before = 0.0

    def started(self, recipe: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Note that everything is ready."""
        self.before = perf_counter() - self.made

    def recorded(self, line: Mapping[str, Any]) -> None:
        """Add a point."""
        scores = {task: line["dev"][task][metric] for task, metric in METRIC.items()}
        self.curve.append(Point(self.before + line["seconds"], scores))

    def finished(self, metrics: Mapping[str, Any]) -> None:
        """Hear that the run is complete."""


def frozen_heads(course: Course) -> Curve:
    """Return the curve of heads solved over frozen vectors: a point for each share of the rows, each begun anew."""
    return [curve_of(course, "cs224n/multitask", FROZEN, share)[0] for share in SHARES]


def trained(course: Course, name: str, changes: Mapping[str, Any], share: float = 1.0) -> Curve:
    """Return the curve of a shipped recipe with some changes: dev is scored at the start and ``LOOKS`` times an epoch.

    The start counts only where heads are solved: nobody would call random heads a model.
    """
    recipe = course.recipe(name, share, changes)
    steps = recipe.schedule.method.steps_per_epoch(task_sizes(recipe, rows_of(recipe)))
    curve = curve_of(course, name, {**changes, "training.evaluate_every": max(1, steps // LOOKS)}, share)
    return curve if recipe.training.head_start == "probe" else curve[1:]


def curve_of(course: Course, name: str, changes: Mapping[str, Any], share: float = 1.0) -> Curve:
    """Return the curve of a shipped recipe with some changes, over a share of the rows: a point a look at dev."""
    recipe, clock = course.recipe(name, share, changes), Clock()
    with tempfile.TemporaryDirectory() as folder:
        train_recipe(recipe, Path(folder) / "run", False, Display(Console(file=io.StringIO())), trackers=[clock])
    return clock.curve
