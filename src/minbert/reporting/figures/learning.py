"""Learning curves: loss and score of every task over the steps of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minbert.reporting.figure import Figure
from minbert.reporting.style import INK, draw_means, looks, new_drawing, shortened, step_axis, styled
from minbert.tasks.metrics import METRICS, worth


def learning_curves(history: Sequence[Mapping[str, Any]], metrics: Mapping[str, str], best_step: int) -> Figure | None:
    """Draw training loss and dev score of every task, a row a task, and the overall score where there are several.

    Args:
        history: the lines of ``history.jsonl``; the first is the model before training.
        metrics: each task's own metric.
        best_step: where the kept model stood.

    Returns:
        None where nothing was trained, or there are no dev rows.
    """
    if len(history) < 2 or not history[0]["dev"]:
        return None
    steps = [line["step"] for line in history]
    several = len(metrics) > 1
    with styled():
        rows = len(metrics) + several
        drawing, grid = new_drawing(1.55 * rows + 0.35, rows, 2)
        for index, (task, metric) in enumerate(metrics.items()):
            loss, score = grid[index]
            losses = [line["losses"].get(task) for line in history[1:]]
            draw_means(loss, steps, losses, **looks(index))
            loss.set(title=f"{shortened(task, 24)}: loss", ylabel="training loss")
            scores = [line["dev"][task][metric] for line in history]
            _draw_scores(score, steps, scores, best_step, f"{shortened(task, 24)}: dev", metric, index)
        if several:
            grid[-1, 0].set_axis_off()
            overall = [line["dev"]["overall"] for line in history]
            _draw_scores(grid[-1, 1], steps, overall, best_step, "overall: dev", "overall", len(metrics))
            _draw_key(grid[-1, 0], best_step)
        for axes in grid.flat:
            if axes.axison:
                step_axis(axes, steps[-1])
                axes.margins(y=0.12)
        drawing.align_ylabels()
        for axes in grid[:-1].flat:
            axes.set_xlabel("")
        if several:
            grid[-2, 0].set_xlabel("optimizer steps")
    told = [
        f"{task} {metric} from {first[task][metric]:.3f} to {_at(history, best_step)[task][metric]:.3f}"
        for first in [history[0]["dev"]]
        for task, metric in metrics.items()
    ]
    return Figure(
        "learning-curves",
        "Learning curves",
        "Left: each task's loss in training, the mean over the steps between two evaluations. Right: its dev score at "
        f"every evaluation, the first before training. The dashed line is the kept model's step ({best_step}); a "
        "ring is where the score itself is best.",
        f"Learning curves over {steps[-1]} steps. Dev scores, before training to kept model: {'; '.join(told)}.",
        drawing,
    )


def _at(history: Sequence[Mapping[str, Any]], step: int) -> Mapping[str, Any]:
    dev: Mapping[str, Any] = next(line["dev"] for line in history if line["step"] == step)
    return dev


def _draw_scores(
    axes: Any, steps: Sequence[int], scores: Sequence[float], best_step: int, title: str, metric: str, index: int
) -> None:
    axes.axvline(best_step, color=INK, linestyle=(0, (4, 3)), linewidth=0.9)
    look = looks(index)
    axes.plot(steps, scores, **look, markersize=4, markevery=max(1, len(steps) // 10), clip_on=False)
    top = max(range(len(scores)), key=lambda position: worth(metric, scores[position]))
    axes.plot(
        steps[top], scores[top], marker="o", markersize=10, markerfacecolor="none", markeredgecolor=INK, clip_on=False
    )
    axes.set(title=title, ylabel=METRICS[metric].axis if metric in METRICS else "mean of scores")


def _draw_key(axes: Any, best_step: int) -> None:
    axes.plot([], [], color=INK, linestyle=(0, (4, 3)), linewidth=0.9, label=f"kept model (step {best_step})")
    axes.plot(
        [],
        [],
        marker="o",
        markersize=10,
        markerfacecolor="none",
        markeredgecolor=INK,
        linestyle="",
        label="best score",
    )
    axes.legend(loc="center left")
