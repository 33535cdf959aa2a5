"""Teachers of a run: who they are, and their answers to the student's training rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from minbert.data.examples import Split
from minbert.display.progress import Display
from minbert.encoder.safetensors_reading import open_tensors
from minbert.encoder.tensor_files import write_tensors
from minbert.errors import UserError
from minbert.machine.ranks import ranks
from minbert.multitask.inference import class_logits, head_logits, sentence_vectors
from minbert.recipe.recipe import Recipe
from minbert.run_folder.folder import read_run
from minbert.run_folder.model import model_of_run
from minbert.tasks.distillation import teacher_targets
from minbert.together.members import check_same_labels, find_member, names_apart, weighted_runs
from minbert.training.learner import Learner

TARGETS = "teachers.safetensors"
"""In a run's folder: what its teachers said of its training rows."""

Teachers = dict[str, dict[Path, float]]
"""Each distilled task's runs, and what each of them counts: weights that add up to 1."""


def find_teachers(recipe: Recipe) -> Teachers:
    """Return the teachers of every task that has any; none where the recipe asks for no distillation.

    Raises:
        UserError: a teacher is no finished run or ensemble, lacks the task, or has other labels or texts for it.
    """
    if recipe.distillation is None:
        return {}
    asked = recipe.distillation.teachers
    known = {folder: weighted_runs(Path(folder)) for folder in _folders(asked)}
    teachers: Teachers = {}
    for name in recipe.tasks:
        folders = asked.get(name, []) if isinstance(asked, dict) else [f for f in asked if name in known[f]]
        for folder in folders:
            if name not in known[folder]:
                has = ", ".join(known[folder])
                raise UserError(
                    f"distillation.teachers.{name}: {folder} was not trained on task '{name}'; it was on: {has}."
                )
            for run, weight in known[folder][name].items():
                _check_teacher(recipe, name, run)
                counts = teachers.setdefault(name, {})
                counts[run] = counts.get(run, 0.0) + weight / len(folders)
    if not teachers:
        raise UserError(f"distillation.teachers: none of them has a task of this recipe: {', '.join(recipe.tasks)}.")
    return teachers


def _folders(asked: list[str] | dict[str, list[str]]) -> list[str]:
    return asked if isinstance(asked, list) else [folder for folders in asked.values() for folder in folders]


def _check_teacher(recipe: Recipe, name: str, run: Path) -> None:
    theirs = find_member(run).recipe.tasks.get(name)
    if theirs is None:
        raise UserError(f"distillation.teachers: {run} has no task '{name}', though an ensemble names it for that.")
    ours = recipe.tasks[name]
    check_same_labels(name, ours.kind, "the recipe", theirs.kind, f"its teacher {run}")
    if (ours.pair is None) != (theirs.pair is None):
        raise UserError(f"distillation.teachers: task '{name}' is on pairs in only one of the recipe and {run}.")


def teach(
    recipe: Recipe,
    teachers: Teachers,
    texts: Mapping[str, Split],
    learner: Learner,
    out: Path,
    display: Display,
) -> None:
    """Have the tasks' losses ask for their teachers' answers, too.

    The answers are computed once, without dropout, and kept in the run's folder, where a resumed run, and every rank,
    finds them.

    Args:
        recipe: the run's.
        teachers: see ``find_teachers``.
        texts: the training rows of every task with teachers.
        learner: whose objectives are to learn from them.
        out: the run's folder.
        display: shows progress.
    """
    if recipe.distillation is None:
        return
    key = _key(recipe, teachers, texts)
    if not ranks().tell(lambda: _kept_targets(out / TARGETS, key) is not None):
        asked = _ask(recipe.distillation.temperature, teachers, texts, learner, display)
        ranks().tell(lambda: write_tensors(out / TARGETS, asked, {"key": key}))
    targets = _kept_targets(out / TARGETS, key)
    assert targets is not None
    for name, answers in targets.items():
        learner.objectives[name].learn_from(answers, recipe.distillation)


def _ask(
    temperature: float,
    teachers: Teachers,
    texts: Mapping[str, Split],
    learner: Learner,
    display: Display,
) -> dict[str, Tensor]:
    """Return the weighted mean of each task's ``teacher_targets``, fp32 on the CPU. One teacher is loaded at a time."""
    runs = list(dict.fromkeys(run for those in teachers.values() for run in those))
    totals: dict[str, Tensor] = {}
    display.note(f"asking {len(runs)} {'teachers' if len(runs) > 1 else 'teacher'} about the training rows, once")
    for run, shown in zip(runs, names_apart(runs), strict=True):
        model = model_of_run(run, read_run(run)).to(learner.model.device)
        for name in (name for name, those in teachers.items() if run in those):
            sequences = model.sequences(name, texts[name].texts)
            taken = model.tasks[name].taken
            with display.counting(f"teacher {shown}: {name}", len(sequences)) as bar:
                vectors = sentence_vectors(model, sequences, taken, learner.precision, bar.advance)
            logits = head_logits(model, name, sequences, vectors).double()
            classes = class_logits(model, name, sequences, vectors)
            answers = teacher_targets(
                logits, None if classes is None else classes.double(), learner.model.tasks[name], temperature
            )
            if not torch.isfinite(answers).all():
                raise UserError(f"distillation.teachers: {run} gives answers to '{name}' that are no finite numbers.")
            part = teachers[name][run] * answers
            totals[name] = totals[name] + part if name in totals else part
    return {name: total.float().contiguous() for name, total in totals.items()}


def _key(recipe: Recipe, teachers: Teachers, texts: Mapping[str, Split]) -> str:
    """Return what kept answers must agree with: who was asked, how, and the rows."""
    assert recipe.distillation is not None
    asked = {
        "teachers": {name: {str(run): weight for run, weight in those.items()} for name, those in teachers.items()},
        "temperature": recipe.distillation.temperature,
        "tasks": {name: recipe.tasks[name].model_dump(mode="json") for name in teachers},
        "precision": recipe.training.precision,
        "texts": {
            name: [[*texts[name].first], None if (second := texts[name].second) is None else [*second]]
            for name in teachers
        },
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _kept_targets(path: Path, key: str) -> dict[str, Tensor] | None:
    """Return the answers that a run kept, or None where there are none, or others than it needs now."""
    try:
        with open_tensors(path) as file:
            return file.read_all() if file.metadata.get("key") == key else None
    except UserError:
        return None
