"""Scores on dev while training: every task's metrics, the overall ones, and the one that decides."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minbert.errors import UserError, did_you_mean
from minbert.tasks.metrics import METRICS, ConstantPredictions, overall, overall_leaderboard
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings

Labels = np.ndarray[Any, np.dtype[np.float64]]

OVERALL = {"overall": overall, "overall_leaderboard": overall_leaderboard}
"""The two conventions for one number over all tasks, by name."""


@dataclass(frozen=True, slots=True)
class DevScores:
    """What dev says of a model: nothing, where there are no dev rows."""

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


def score_dev(tasks: Mapping[str, TaskSettings], answers: Mapping[str, tuple[Predictions, Labels]]) -> DevScores:
    """Return the scores of predictions for dev; see ``score_answers``.

    What a task leaves to dev, its thresholds, is chosen on these very answers.
    """
    return score_answers(
        tasks, {task: (_decided_on_dev(tasks[task], *given), given[1]) for task, given in answers.items()}
    )


def _decided_on_dev(settings: TaskSettings, predicted: Predictions, labels: Labels) -> Predictions:
    if not settings.kind.decides_on_dev or predicted.probabilities is None:
        return predicted
    return settings.fitted(predicted, labels).kind.decided(predicted.probabilities)


def score_answers(tasks: Mapping[str, TaskSettings], answers: Mapping[str, tuple[Predictions, Labels]]) -> DevScores:
    """Return the scores of predictions against labels; ``answers`` maps each scored task to both.

    Raises:
        ValueError: a prediction is not a finite number.
    """
    by_task = {task: _scores(tasks[task], task, predicted, labels) for task, (predicted, labels) in answers.items()}
    primary = {task: by_task[task][tasks[task].metric] for task in by_task}
    counted = {task: (tasks[task].metric, _counted(tasks[task], score)) for task, score in primary.items()}
    return DevScores(by_task, primary, {name: function(counted) for name, function in OVERALL.items() if counted})


def _counted(settings: TaskSettings, score: float) -> float:
    return float(METRICS[settings.metric].counted(np.asarray(score), settings.kind.span))


def _scores(settings: TaskSettings, task: str, predicted: Predictions, labels: Labels) -> dict[str, float]:
    """Return every metric of a task; what is the matter with its answers is a warning that names the task, once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConstantPredictions)
        scores = settings.kind.scores(labels, predicted, settings.metric)
    for message, category in dict.fromkeys((str(warning.message), warning.category) for warning in caught):
        warnings.warn(f"task '{task}': {message}", category, stacklevel=2)
    return scores


def score_name(select: str, tasks: Mapping[str, TaskSettings]) -> str:
    """Return the full name of the score that ``select`` names: TASK.METRIC, or an overall one."""
    return f"{select}.{tasks[select].metric}" if select in tasks else select


def check_select(select: str, tasks: Mapping[str, TaskSettings]) -> None:
    """Check that ``select`` names a score of these tasks.

    Raises:
        UserError: it does not; the message says what it may be.
    """
    names = [*OVERALL, *tasks, *(f"{name}.{metric}" for name, task in tasks.items() for metric in task.metrics)]
    if select not in names:
        raise UserError(
            f"training.select: '{select}' is no score of this recipe{did_you_mean(select, names)}; "
            f"it may be: {', '.join(names)}."
        )
