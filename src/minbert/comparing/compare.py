"""Every score of every system with its interval, its difference to a baseline, and to each task trained alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minbert.comparing.choosing import Choice, choices
from minbert.comparing.scored import OVERALL, SystemsScored, scores_of
from minbert.comparing.systems import System, find_baseline, find_systems, single_task_system
from minbert.display.console import terminal
from minbert.display.progress import Display
from minbert.evaluation.intervals import CONFIDENCE
from minbert.evaluation.significance import holm
from minbert.tasks.metrics import METRICS

TO_BASELINE, TO_SINGLE_TASK = "to_baseline", "to_single_task"


@dataclass(frozen=True, slots=True)
class ComparedSystem:
    """A recipe's runs, or an ensemble."""

    name: str
    folders: list[str]
    seeds: list[int]
    """Empty of an ensemble."""
    tasks: list[str]


@dataclass(frozen=True, slots=True)
class ShownDifference:
    """How much higher a score is than another system's, and how sure that is."""

    to: str
    """The other system's name."""
    difference: float
    low: float
    high: float
    p: float
    """Of the paired permutation test."""
    p_holm: float
    """Corrected over the family of tests."""
    less_is_better: bool = False
    """Whether the lower one of two scores is the better one."""

    @property
    def shown(self) -> int:
        """1 where the score is shown to be better, -1 where worse, else 0.

        Shown is what the corrected test finds (below 1 - confidence) and the interval does not contradict.
        """
        if self.p_holm >= 1 - CONFIDENCE or self.low <= 0 <= self.high:
            return 0
        return 1 if (self.difference > 0) != self.less_is_better else -1


@dataclass(frozen=True, slots=True)
class ComparedScore:
    """A score of a system: a task's own metric, or the mean of all tasks'."""

    system: str
    task: str
    """A task's name, or ``overall``."""
    metric: str
    rows: int
    """How many dev rows were scored."""
    runs: int
    """How many seeds the score is the mean of."""
    score: float
    low: float
    high: float
    log_loss: float | None = None
    """The mean over rows and seeds of -log p of the right class; None where there are no classes."""
    to_baseline: ShownDifference | None = None
    """None for the baseline itself, where it lacks the task, and for runs that only others are measured by."""
    to_single_task: ShownDifference | None = None
    """To the task trained alone; None where that was not among the runs."""

    @property
    def negative_transfer(self) -> bool:
        """Whether the task is shown to be worse than trained alone."""
        return self.to_single_task is not None and self.to_single_task.shown < 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Systems set side by side."""

    baseline: str
    systems: list[ComparedSystem]
    scores: list[ComparedScore]
    """System by system, each with its tasks in order and, of several, their mean."""
    choices: list[Choice] = field(default_factory=list)
    """The best system by each score that several have, and what choosing it on dev is worth."""
    unfinished: list[str] = field(default_factory=list)
    """Runs that were left out."""
    confidence: float = CONFIDENCE
    """Of every interval; 1 less it is the level that corrected tests are held to."""

    def of(self, system: str) -> list[ComparedScore]:
        """Return the scores of one system."""
        return [score for score in self.scores if score.system == system]

    def as_json(self) -> dict[str, Any]:
        """Return all of it in plain types."""
        tree = asdict(self)
        for row, score in zip(tree["scores"], self.scores, strict=True):
            for key in (TO_BASELINE, TO_SINGLE_TASK):
                if (difference := getattr(score, key)) is not None:
                    row[key]["shown"] = difference.shown
            row["negative_transfer"] = score.negative_transfer
        return tree


def compare(folders: Sequence[Path], baseline: str | Path | None = None, display: Display | None = None) -> Comparison:
    """Compare finished runs by their answers to dev rows.

    Runs of one recipe that differ in their seeds are one system, an ensemble is one by itself. Every system is compared
    with the baseline, but for runs of one task that multi-task systems beside them are measured by; these are compared
    with them. Each of the two kinds of comparison is a family of its own, over all tasks (the overall mean included)
    and systems, in which Holm's correction is made.

    Args:
        folders: of runs, or with runs in them at any depth.
        baseline: a system's name, or where its runs lie (which need not be among ``folders``); by default the first
            system of several tasks.
        display: shows how far it is.

    Raises:
        UserError: there are no finished runs, or they cannot be compared; see ``systems``.
    """
    places = list(folders)
    if baseline is not None and Path(baseline).is_dir():
        places.append(Path(baseline))
    systems, unfinished = find_systems(places)
    chosen = find_baseline(systems, baseline)
    scores = SystemsScored(systems)
    pairs = _pairs(systems, chosen)
    tested = {}
    with (display or Display(terminal(quiet=True))).counting("comparing", len(pairs)) as bar:
        for (system, task, kind), other in pairs.items():
            tested[system, task, kind] = scores.difference(system, other, task)
            bar.advance(1)
    differences: dict[tuple[str, str, str], ShownDifference] = {}
    for kind in (TO_BASELINE, TO_SINGLE_TASK):
        family = [key for key in pairs if key[2] == kind]
        for key, p_holm in zip(family, holm([tested[key].p for key in family]), strict=True):
            found = tested[key]
            metric = METRICS.get(scores.metric(key[1]))
            less = metric is not None and metric.less_is_better
            differences[key] = ShownDifference(pairs[key], found.score, found.low, found.high, found.p, p_holm, less)
    return Comparison(
        chosen.name,
        [ComparedSystem(s.name, [str(run.folder) for run in s.runs], s.seeds, s.tasks) for s in systems],
        [
            ComparedScore(
                system.name,
                task,
                scores.metric(task),
                scores.rows(system.name, task),
                len(system.runs),
                *scores.interval(system.name, task),
                scores.log_loss(system.name, task),
                differences.get((system.name, task, TO_BASELINE)),
                differences.get((system.name, task, TO_SINGLE_TASK)),
            )
            for system in systems
            for task in scores_of(system)
        ],
        choices(systems, scores, chosen),
        [str(path) for path in unfinished],
    )


def _pairs(systems: Sequence[System], baseline: System) -> dict[tuple[str, str, str], str]:
    """Return which system each score is compared with: system, task and kind of comparison, and the other's name."""
    singles = {
        (system.name, task): single
        for system in systems
        for task in system.tasks
        if (single := single_task_system(system, task, systems)) is not None
    }
    measures = {single.name for single in singles.values()}
    pairs = {}
    for system in systems:
        for task in scores_of(system):
            same_tasks = task != OVERALL or set(system.tasks) == set(baseline.tasks)
            measured = system is not baseline and system.name not in measures
            if measured and same_tasks and task in scores_of(baseline):
                pairs[system.name, task, TO_BASELINE] = baseline.name
            if (system.name, task) in singles:
                pairs[system.name, task, TO_SINGLE_TASK] = singles[system.name, task].name
    return pairs
