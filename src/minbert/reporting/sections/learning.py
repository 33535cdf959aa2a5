"""What happened while training: learning curves, and the tasks' gradients."""

from __future__ import annotations

from collections.abc import Sequence

from minbert.reporting.figure import Figure
from minbert.reporting.figures.learning import learning_curves
from minbert.reporting.figures.weather import gradient_cosines, loss_weights
from minbert.reporting.material import System
from minbert.reporting.page import Section
from minbert.reporting.sections.drawing import figures_by_system


def curves(detailed: Sequence[System]) -> Section:
    """Return the section: loss and score of every task, of each system's first finished run."""

    def draw(system: System) -> Sequence[Figure | None]:
        run = system.first
        if run.best_step is None:
            return []
        return [learning_curves(run.history, {name: facts.metric for name, facts in run.tasks.items()}, run.best_step)]

    blocks, without = figures_by_system(detailed, draw)
    missing = [f"No scores over steps: {', '.join(without)}."] if without else []
    return Section("learning-curves", "Learning curves", blocks, missing)


def weather(detailed: Sequence[System]) -> Section:
    """Return the section: how the tasks' gradients stood to each other, and what each task counted."""
    blocks, without = figures_by_system(
        detailed, lambda system: [gradient_cosines(system.first.history), loss_weights(system.first.history)]
    )
    missing = []
    if without:
        missing.append(
            f"No gradients were recorded of {', '.join(without)}. Only combinations that look at each task's own "
            "gradient (such as pcgrad), or weigh losses, record them."
        )
    return Section("gradients", "Gradients of the tasks", blocks, missing)
