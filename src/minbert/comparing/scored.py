"""The scores of all systems on the same rows and the same resamples of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minbert.comparing.systems import System, read_all_answers
from minbert.evaluation.answers import Answers
from minbert.evaluation.calibration import log_loss
from minbert.evaluation.intervals import RESAMPLES, Interval, interval_of_mean, within_range
from minbert.evaluation.resampling import Array, half_scores, resampled_scores, score_each, swapped_differences
from minbert.evaluation.significance import SWAPS, Difference, SystemScores, paired_difference
from minbert.tasks.metrics import METRICS

OVERALL = "overall"


def scores_of(system: System) -> list[str]:
    """Return the names of a system's scores: its tasks and, of several, ``overall``, the mean of theirs."""
    return [*system.tasks, *([OVERALL] if len(system.tasks) > 1 else [])]


class SystemsScored:
    """What every system scores: task by task by the task's own metric, and overall."""

    def __init__(self, systems: list[System]) -> None:
        """Read and score all answers.

        Raises:
            UserError: see ``read_all_answers``.
        """
        self._tasks = {system.name: system.tasks for system in systems}
        self._labels: dict[str, Array] = {}
        self._outputs: dict[str, dict[str, Array]] = {}
        self._scores: dict[tuple[str, str], SystemScores] = {}
        self._log_losses: dict[tuple[str, str], float] = {}
        tasks = {task: settings for system in systems for task, settings in system.recipe.tasks.items()}
        self._metrics = {task: settings.metric for task, settings in tasks.items()}
        self._spans = {task: settings.kind.span for task, settings in tasks.items()}
        for task, by_system in read_all_answers(systems).items():
            self._add(task, by_system)
        for system in systems:
            if len(system.tasks) > 1:
                parts = [self._scores[system.name, task] for task in system.tasks]
                self._scores[system.name, OVERALL] = SystemScores(
                    self._mean(system.tasks, [part.observed for part in parts]),
                    self._mean(system.tasks, [part.resampled for part in parts]),
                )

    def _add(self, task: str, by_system: dict[str, list[Answers]]) -> None:
        labels = next(iter(by_system.values()))[0].labels
        self._labels[task] = labels
        scored = METRICS[self._metrics[task]]
        self._outputs[task] = {
            name: np.stack([scored.outputs(answers.predictions) for answers in runs])
            for name, runs in by_system.items()
        }
        together = np.concatenate(list(self._outputs[task].values()))
        observed = score_each(self._metrics[task], labels, together)
        resampled = resampled_scores(self._metrics[task], labels, together, RESAMPLES)
        start = 0
        for name, runs in by_system.items():
            own = slice(start, start + len(runs))
            self._scores[name, task] = SystemScores(observed[own], resampled[:, own])
            start += len(runs)
            told = [run.predictions.probabilities for run in runs]
            losses = [log_loss(probabilities, labels) for probabilities in told if probabilities is not None]
            if losses:
                self._log_losses[name, task] = float(np.mean(losses))

    def metric(self, task: str) -> str:
        """Return what a task is scored by; ``mean`` for overall."""
        return "mean" if task == OVERALL else self._metrics[task]

    def rows(self, system: str, task: str) -> int:
        """Return how many rows were scored; of overall, those of all tasks."""
        return sum(len(self._labels[part]) for part in self._parts(system, task))

    def interval(self, system: str, task: str) -> Interval:
        """Return a system's score with its interval."""
        interval = interval_of_mean(*self._scores[system, task])
        metrics = [METRICS[self._metrics[part]] for part in self._parts(system, task)]
        if task == OVERALL:
            return within_range(interval, [metric.counted_bounds for metric in metrics])
        return within_range(interval, [metric.bounds for metric in metrics])

    def log_loss(self, system: str, task: str) -> float | None:
        """Return the mean over a system's runs of their log loss; None where answers have no probabilities."""
        return self._log_losses.get((system, task))

    def of_halves(self, system: str, task: str, halvings: int) -> Array:
        """Return a system's scores (halvings, 2) of both halves of each task's rows, the same for all systems."""
        parts = self._parts(system, task)
        halves = [
            half_scores(self._metrics[part], self._labels[part], self._outputs[part][system], halvings).mean(-1)
            for part in parts
        ]
        return self._mean(parts, halves) if task == OVERALL else halves[0]

    def difference(self, system: str, other: str, task: str) -> Difference:
        """Return how much higher ``system`` scores than ``other``, tested."""
        parts = self._parts(system, task)
        swapped = [
            swapped_differences(
                self._metrics[part],
                self._labels[part],
                self._outputs[part][system],
                self._outputs[part][other],
                SWAPS,
            )
            for part in parts
        ]
        differences = swapped[0]
        if task == OVERALL:
            nothing = [np.zeros_like(swapped[0])] * len(parts)
            differences = self._mean(parts, swapped) - self._mean(parts, nothing)
        return paired_difference(self._scores[system, task], self._scores[other, task], differences)

    def _mean(self, tasks: Sequence[str], scores: Sequence[Array]) -> Array:
        """Return the mean over tasks of what their scores count; see ``Metric.counted``."""
        counted = [
            METRICS[self._metrics[task]].counted(score, self._spans[task])
            for task, score in zip(tasks, scores, strict=True)
        ]
        return np.asarray(np.mean(counted, axis=0))

    def _parts(self, system: str, task: str) -> list[str]:
        return self._tasks[system] if task == OVERALL else [task]
