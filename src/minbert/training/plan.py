"""What a run will do and cost, before it does it."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from minbert.machine.memory import peak_bytes
from minbert.training.course import Course
from minbert.training.learner import Learner
from minbert.training.micro_batches import row_lengths, step_tokens
from minbert.training.rows import Rows

_TRIAL_STEPS = 5


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task's part of a run."""

    rows: int
    batch_size: int
    batches: int
    """Over all epochs."""
    examples: int
    """Rows trained on over all epochs, repeats included."""
    tokens: int
    """Real tokens over all epochs."""
    truncated: int
    """Distinct training sequences that are cut to the longest length allowed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run."""

    tasks: dict[str, TaskPlan]
    steps_per_epoch: int
    steps: int
    tokens: int
    evaluations: int
    seconds: float
    """Estimated from a few trial steps on this machine, dev evaluations included."""
    peak_bytes: int
    """Memory: what the trial steps needed, plus the optimizer's two moments."""


def plan_run(learner: Learner, dev: Mapping[str, Rows], course: Course) -> Plan:
    """Return the plan of a run. Takes a few steps to time them; their gradients are thrown away."""
    lengths = row_lengths(learner.train)
    counts = dict.fromkeys(course.sizes, (0, 0, 0))
    evaluations = 1
    for step, evaluate in course.steps():
        evaluations += evaluate
        for task, rows in step.items():
            batches, examples, tokens = counts[task]
            counts[task] = (batches + 1, examples + len(rows), tokens + int(lengths[task][rows].sum()))
    tasks = {
        task: TaskPlan(size.rows, size.batch_size, *counts[task], learner.train[task].sequences.truncated())
        for task, size in course.sizes.items()
    }
    total = sum(task.tokens for task in tasks.values())
    seconds_per_token = _trial(learner, course)
    dev_tokens = sum(int(rows.sequences.lengths().sum()) for rows in dev.values())
    # A forward pass is a third of the arithmetic of forward and backward.
    evaluated = dev_tokens if learner.encodes_once else dev_tokens * evaluations
    seconds = seconds_per_token * (total + evaluated / 3)
    trained = sum(parameter.numel() for parameter in learner.model.parameters() if parameter.requires_grad)
    peak = peak_bytes(torch.device("cpu")) + 8 * trained
    return Plan(tasks, course.steps_per_epoch, course.total_steps, total, evaluations, seconds, peak)


def _trial(learner: Learner, course: Course) -> float:
    """Return seconds a token: the median of a few steps, the first (which warms up) left out."""
    lengths = row_lengths(learner.train)
    learner.model.train()
    rates = []
    for step, _ in itertools.islice(course.steps(), _TRIAL_STEPS + 1):
        started = time.perf_counter()
        learner.accumulate(step, dict.fromkeys(step, 1.0))
        learner.model.zero_grad(set_to_none=True)
        learner.finish_step()
        rates.append((time.perf_counter() - started) / step_tokens(step, lengths))
    return statistics.median(rates[1:] or rates)
