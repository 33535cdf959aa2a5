"""Every system's scores as bars with error bars."""

from __future__ import annotations

from collections.abc import Mapping

from minbert.reporting.figure import Figure
from minbert.reporting.figures.bars import Panel, draw_panels
from minbert.reporting.style import styled
from minbert.tasks.metrics import METRICS, worth

Scores = Mapping[str, tuple[float, float, float]]
"""Task, or ``overall``, to score and ends of its interval."""


def system_bars(
    systems: Mapping[str, Scores], metrics: Mapping[str, str], baseline: str | None = None
) -> Figure | None:
    """Draw a panel a task, and one of the overall score, with a bar a system.

    Args:
        systems: every system's scores; one that lacks a task has no bar there.
        metrics: each task's own metric; says which tasks are drawn, in which order.
        baseline: the system whose score is drawn as a line through each panel.

    Returns:
        None where there are no systems.
    """
    names = [name for name in (*metrics, "overall") if any(name in scores for scores in systems.values())]
    if not names:
        return None
    panels, told = [], []
    for name in names:
        values = {system: scores[name] for system, scores in systems.items() if name in scores}
        metric = metrics.get(name, name)
        best = max(values, key=lambda system: worth(metric, values[system][0]))
        line = values[baseline][0] if baseline in values else None
        label = METRICS[metric].axis if metric in METRICS else "mean of scores"
        panels.append(Panel(name, label, values, "{:.3f}".format, best, line))
        score, low, high = values[best]
        told.append(f"{name}: best is {best} with {score:.3f} ({low:.3f} to {high:.3f})")
    with styled():
        drawing = draw_panels(panels, list(systems))
    through = f" The dashed line is the score of {baseline}." if baseline is not None else ""
    return Figure(
        "systems",
        "Every system",
        f"Dev scores of every system, 95 % intervals; each panel's best is in full colour.{through} Two intervals "
        "that overlap do not show that two systems are equal: the paired comparison says more.",
        f"Bars of {len(systems)} systems. {'; '.join(told)}.",
        drawing,
    )
