"""How much of the best system's score is luck: chosen on one half of dev, scored on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minbert.comparing.scored import OVERALL, SystemsScored, scores_of
from minbert.comparing.systems import System
from minbert.tasks.metrics import worth

HALVINGS = 500


@dataclass(frozen=True, slots=True)
class Choice:
    """The best of several systems by one score, and what choosing by it is worth."""

    task: str
    """A task's name, or ``overall``."""
    candidates: int
    """How many systems there were to choose from."""
    system: str
    """The one with the best score on all dev rows."""
    score: float
    """Its score on the rows it was chosen by."""
    held_out: float
    """The nested estimate: what the system chosen on one half of the rows scores on the other, on average."""
    picked: dict[str, float]
    """In what share of the choices on halves each system was the best; those that never were are left out."""


def choices(systems: Sequence[System], scores: SystemsScored, baseline: System) -> list[Choice]:
    """Return what is best by each score that two or more systems have.

    ``overall`` is chosen among systems of the baseline's tasks; a task's score among all systems trained on it. The
    rows are halved at random ``HALVINGS`` times, and each half chooses for the other. A single row has no halves, so
    nothing is said of it.
    """
    found = []
    for task in scores_of(baseline):
        candidates = [
            system.name
            for system in systems
            if task in scores_of(system) and (task != OVERALL or set(system.tasks) == set(baseline.tasks))
        ]
        parts = baseline.tasks if task == OVERALL else [task]
        if len(candidates) > 1 and min(scores.rows(baseline.name, part) for part in parts) > 1:
            found.append(_choice(task, candidates, scores))
    return found


def _choice(task: str, candidates: list[str], scores: SystemsScored) -> Choice:
    metric = scores.metric(task)
    whole = [scores.interval(name, task)[0] for name in candidates]
    chosen = max(range(len(candidates)), key=lambda candidate: worth(metric, whole[candidate]))
    halves = np.stack([scores.of_halves(name, task, HALVINGS) for name in candidates], -1)
    best = (worth(metric, 1.0) * halves).argmax(-1)
    held_out = np.take_along_axis(halves[:, ::-1], best[..., None], -1)
    shares = np.bincount(best.ravel(), minlength=len(candidates)) / best.size
    return Choice(
        task,
        len(candidates),
        candidates[chosen],
        whole[chosen],
        float(held_out.mean()),
        {name: float(share) for name, share in zip(candidates, shares, strict=True) if share},
    )
