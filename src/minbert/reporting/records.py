"""What a run's folder has to tell, as far as it goes: finished, stopped, failed, an ensemble or a soup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from minbert.errors import UserError
from minbert.evaluation.answers import Answers, answers_path, read_answers
from minbert.recipe.recipe import Recipe
from minbert.reproduction.runs import FAILURE, read_failure
from minbert.run_folder.folder import RECIPE, SOUP, is_finished, read_run
from minbert.run_folder.metrics import read_metrics
from minbert.sweeping.records import score_at, score_name
from minbert.tasks.kinds import KINDS
from minbert.tasks.metrics import worth
from minbert.together.ensemble_file import ENSEMBLE
from minbert.together.members import ensemble_recipe, trained_tasks
from minbert.training.history import HISTORY, check_scores, read_history

Origin = Literal["run", "ensemble", "soup"]


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What a report must know of a task."""

    kind: str
    metric: str


@dataclass(frozen=True, slots=True)
class RunRecords:
    """One run's folder, read."""

    folder: Path
    origin: Origin
    recipe: Recipe | None
    """None of an ensemble none of whose runs can be read any more."""
    tasks: Mapping[str, TaskFacts]
    metrics: Mapping[str, Any]
    """``metrics.json``; empty where the run has not come to its end."""
    history: Sequence[Mapping[str, Any]]
    answers: Mapping[str, Answers]
    """To dev, by task; those that are there."""
    failure: str | None
    """Why the run failed, where it did."""

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.metrics)

    @property
    def seed(self) -> int | None:
        """The seed; an ensemble or a soup has none of its own."""
        return self.recipe.seed if self.recipe is not None and self.origin == "run" else None

    @property
    def dev(self) -> Mapping[str, Any]:
        """The kept model's scores on dev, as ``metrics.json`` holds them; of an unfinished run those of its best
        evaluation so far. Empty before the first evaluation."""
        if self.metrics:
            dev: Mapping[str, Any] = self.metrics["dev"]
            return dev
        best = self._best_evaluation()
        return {} if best is None else best["dev"]

    @property
    def best_step(self) -> int | None:
        """The step of the kept model, or of the best evaluation so far; None where nothing tells."""
        if self.metrics:
            return self.metrics.get("best_step")
        best = self._best_evaluation()
        return None if best is None else best["step"]

    def _best_evaluation(self) -> Mapping[str, Any] | None:
        if not self.history or self.recipe is None:
            return None
        if not self.history[0]["dev"]:  # a run without dev rows keeps the last
            return self.history[-1]
        name = score_name(self.recipe)
        return max(self.history, key=lambda line: worth(name, score_at(line["dev"], name)))

    def score(self, task: str, metric: str) -> float | None:
        """Return the dev score of a task by one of its metrics; None where there is none."""
        value = self.dev.get(task, {}).get(metric)
        return None if value is None else float(value)


def is_run(folder: Path) -> bool:
    """Return whether ``folder`` is that of a run, an ensemble or a soup."""
    return (folder / RECIPE).is_file() or (folder / ENSEMBLE).is_file()


def read_records(folder: Path, remarks: list[str]) -> RunRecords:
    """Read a run's folder. What is damaged or missing is told in ``remarks``, a sentence each, and left out.

    Raises:
        UserError: neither recipe nor scores can be read, so that there is nothing to tell.
    """
    metrics = _metrics(folder, remarks)
    origin: Origin = "run"
    if (folder / ENSEMBLE).is_file():
        origin, recipe = "ensemble", _recipe_of_ensemble(folder, remarks)
    else:
        recipe = read_run(folder)
        origin = "soup" if (folder / SOUP).is_file() else "run"
    tasks = _tasks(recipe, metrics)
    if not tasks:
        raise UserError(f"{folder}: names no task.")
    history = _history(folder, recipe, remarks)
    answers = {}
    for task in tasks:
        if answers_path(folder, task, "dev").is_file():
            try:
                answers[task] = read_answers(folder, task, "dev")
            except UserError as error:
                remarks.append(str(error))
    failure = read_failure(folder) if (folder / FAILURE).is_file() else None
    return RunRecords(folder, origin, recipe, tasks, metrics, history, answers, failure)


def _metrics(folder: Path, remarks: list[str]) -> dict[str, Any]:
    if not is_finished(folder):
        return {}
    try:
        return read_metrics(folder)
    except UserError as error:
        remarks.append(f"{error} So it is left out.")
        return {}


def _history(folder: Path, recipe: Recipe | None, remarks: list[str]) -> list[dict[str, Any]]:
    path = folder / HISTORY
    if recipe is None or not path.is_file():
        return []
    try:
        lines = [{"losses": {}, "combination": {}, "dev": {}, **line} for line in read_history(folder)]
        for line in lines:
            check_scores(line["dev"], recipe.tasks, path)
    except UserError as error:
        remarks.append(f"{error} So what happened during training is left out.")
        return []
    return lines


def _recipe_of_ensemble(folder: Path, remarks: list[str]) -> Recipe | None:
    """Return a recipe with all tasks of an ensemble, for what it says of them; None where its runs are gone."""
    try:
        return ensemble_recipe(folder)
    except UserError:
        remarks.append(f"{folder}: its runs are not where they were, so their recipes are not shown.")
        return None


def _tasks(recipe: Recipe | None, metrics: Mapping[str, Any]) -> dict[str, TaskFacts]:
    if recipe is not None:
        return {
            name: TaskFacts(task.kind.name, task.metric)
            for name, task in recipe.tasks.items()
            if name in trained_tasks(recipe)
        }
    dev: Mapping[str, Any] = metrics.get("dev", {})
    facts = {name: _facts(list(scores)) for name, scores in dev.items() if isinstance(scores, dict)}
    return {name: known for name, known in facts.items() if known is not None}


def _facts(scores: list[str]) -> TaskFacts | None:
    """Return what the names of a task's scores tell: first come those of its kind, then its own if it is another."""
    for name, kind in KINDS.items():
        always = len(kind.metrics)
        if tuple(scores[:always]) == kind.metrics:
            return TaskFacts(name, [*scores[always:], scores[0]][0])
    return None
