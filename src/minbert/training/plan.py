"""What a run will do and cost, before it does it."""

from __future__ import annotations

import itertools
import statistics
import time
from dataclasses import dataclass

from minbert.training.head_start import head_start_tokens
from minbert.training.loop import TrainingLoop
from minbert.training.memory import expected_peak
from minbert.training.micro_batches import row_lengths, step_tokens

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
    """The most memory that will be held at once: see ``expected_peak``."""


def plan_run(loop: TrainingLoop) -> Plan:
    """Return the plan of a run. Takes a few steps to time them; their gradients are thrown away."""
    learner, course = loop.learner, loop.course
    learner.model.train()
    lengths = row_lengths(learner.train)
    counts = dict.fromkeys(course.sizes, (0, 0, 0))
    evaluations = int(bool(loop.dev))
    for step, evaluate in course.steps():
        evaluations += evaluate and bool(loop.dev)
        for task, rows in step.items():
            batches, examples, tokens = counts[task]
            counts[task] = (batches + 1, examples + len(rows), tokens + int(lengths[task][rows].sum()))
    tasks = {
        task: TaskPlan(size.rows, size.batch_size, *counts[task], learner.train[task].sequences.truncated())
        for task, size in course.sizes.items()
    }
    total = sum(task.tokens for task in tasks.values())
    peak = expected_peak(loop)
    seconds_per_token = _trial(loop)
    dev_tokens = sum(int(rows.sequences.lengths().sum()) for rows in loop.dev.values())
    # A forward pass is a third of the arithmetic of forward and backward.
    evaluated = dev_tokens if learner.encodes_once else dev_tokens * evaluations
    start = head_start_tokens(learner, course.seed) if course.settings.head_start == "probe" else 0
    seconds = seconds_per_token * (total + (evaluated + start) / 3)
    return Plan(tasks, course.steps_per_epoch, course.total_steps, total, evaluations, seconds, peak)


def _trial(loop: TrainingLoop) -> float:
    """Return seconds a token: the median of a few steps, the first (which warms up) left out."""
    lengths = row_lengths(loop.learner.train)
    rates = []
    for number, (step, _) in enumerate(itertools.islice(loop.course.steps(), _TRIAL_STEPS + 1)):
        started = time.perf_counter()
        loop.combination.accumulate(step, number)
        loop.model.zero_grad(set_to_none=True)
        loop.learner.finish_step()
        rates.append((time.perf_counter() - started) / step_tokens(step, lengths))
    return statistics.median(rates[1:] or rates)
