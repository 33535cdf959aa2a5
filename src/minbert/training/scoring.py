"""Scores on dev while training: every task's metrics, the overall ones, and the one that decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minbert.errors import UserError, did_you_mean
from minbert.tasks.metrics import overall, overall_leaderboard
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings

OVERALL = {"overall": overall, "overall_leaderboard": overall_leaderboard}
"""The two conventions for one number over all tasks, by name."""


@dataclass(frozen=True, slots=True)
class DevScores:
    """What dev says of a model."""

    tasks: dict[str, dict[str, float]]
    """Every metric of every task."""
    primary: dict[str, float]
    """Each task's own metric."""
    overall: dict[str, float]
    """``overall`` and ``overall_leaderboard``."""

    def as_json(self) -> dict[str, Any]:
        """Return tasks and overall scores in one mapping, as ``metrics.json`` holds them."""
        return {**self.tasks, **self.overall}

    def selected(self, select: str) -> float:
        """Return the score that ``select`` names (see ``check_select``)."""
        if select in self.overall:
            return self.overall[select]
        task, _, metric = select.partition(".")
        return self.tasks[task][metric] if metric else self.primary[task]


def score_dev(
    tasks: Mapping[str, TaskSettings], answers: Mapping[str, tuple[Predictions, np.ndarray[Any, np.dtype[np.float64]]]]
) -> DevScores:
    """Return the scores of predictions against labels; ``answers`` maps each scored task to both.

    Raises:
        ValueError: a prediction is not a finite number.
    """
    by_task = {task: tasks[task].kind.scores(labels, predicted) for task, (predicted, labels) in answers.items()}
    primary = {task: by_task[task][tasks[task].metric] for task in by_task}
    named = {task: (tasks[task].metric, score) for task, score in primary.items()}
    return DevScores(by_task, primary, {name: function(named) for name, function in OVERALL.items()})


def check_select(select: str, tasks: Mapping[str, TaskSettings]) -> None:
    """Check that ``select`` names a score of these tasks.

    Raises:
        UserError: it does not; the message says what it may be.
    """
    names = [*OVERALL, *tasks, *(f"{name}.{metric}" for name, task in tasks.items() for metric in task.kind.metrics)]
    if select not in names:
        raise UserError(
            f"training.select: '{select}' is no score of this recipe{did_you_mean(select, names)}; "
            f"it may be: {', '.join(names)}."
        )
