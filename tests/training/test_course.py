"""Courses: the same steps wherever one begins, and an evaluation where it is asked for and after the last step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minbert.data.schedules import Schedule, TaskSize
from minbert.display.progress import Display
from minbert.multitask.combination import Combination
from minbert.optim.settings import OptimizerSettings
from minbert.pretraining.corpus_order import CorpusOrder
from minbert.pretraining.course import PretrainingCourse
from minbert.pretraining.settings import PretrainingSettings
from minbert.pretraining.steps import StepsOfTexts, StepsOfTokens
from minbert.recipe.recipe import parse_recipe
from minbert.running.run import plan_recipe, train_recipe
from minbert.text.masking import MaskingSettings
from minbert.training.course import Course
from minbert.training.history import read_history
from minbert.training.settings import TrainingSettings


def course(evaluate_every: int | None) -> Course:
    """Return three epochs of four steps."""
    return Course(
        Schedule.model_validate("round_robin"),
        {"a": TaskSize(7, 2), "b": TaskSize(3, 1)},
        Combination.model_validate("sum"),
        TrainingSettings(epochs=3, evaluate_every=evaluate_every),
        OptimizerSettings(),
        seed=4,
    )


def pretraining_course(evaluate_every: int | None, tokens: int | None = None) -> PretrainingCourse:
    """Return three epochs of three steps or, by ``tokens``, of as many as it takes."""
    lengths = np.arange(10) % 5 + 2
    order = CorpusOrder({"a": 10}, {"a": 9}, 4)
    return PretrainingCourse(
        order,
        StepsOfTexts(9, 3) if tokens is None else StepsOfTokens(order, lengths.__getitem__, tokens, 3, ["test"]),
        MaskingSettings(),
        PretrainingSettings(epochs=3, evaluate_every=evaluate_every),
        OptimizerSettings(),
    )


@pytest.mark.parametrize(
    ("made", "evaluated"),
    [
        (course(None), [4, 8, 12]),
        (course(5), [5, 10, 12]),
        (course(100), [12]),
        (pretraining_course(None), [3, 6, 9]),
        (pretraining_course(2), [2, 4, 6, 8, 9]),
    ],
)
def test_an_evaluation_follows_where_it_is_asked_for_and_the_last_step(
    made: Course | PretrainingCourse, evaluated: list[int]
) -> None:
    flags = [evaluate for _, evaluate in made.steps()]
    assert len(flags) == made.total_steps == evaluated[-1]
    assert [number for number, evaluate in enumerate(flags, start=1) if evaluate] == evaluated


@pytest.mark.parametrize("made", [course(5), pretraining_course(None), pretraining_course(4, tokens=11)])
def test_skipped_steps_leave_the_others_as_they_are(made: Any) -> None:
    whole = [(repr(step), evaluate) for step, evaluate in made.steps()]
    for skip in range(made.total_steps + 1):
        assert [(repr(step), evaluate) for step, evaluate in made.steps(skip)] == whole[skip:]


def test_epochs_of_different_lengths_end_where_they_end() -> None:
    made = pretraining_course(None, tokens=11)
    assert len(set(made.steps_of_epochs)) > 1  # else this test tests nothing
    ends = np.cumsum(made.steps_of_epochs).tolist()
    assert [number for number, (_, evaluate) in enumerate(made.steps(), start=1) if evaluate] == ends


def test_a_plan_counts_the_evaluations_that_come(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    two_tasks["training"] |= {"epochs": 1, "evaluate_every": 4}  # of six steps
    recipe = parse_recipe(two_tasks, "test")
    planned = plan_recipe(recipe, quiet).evaluations
    train_recipe(recipe, tmp_path / "run", False, quiet)
    assert planned == len(read_history(tmp_path / "run")) == 3
