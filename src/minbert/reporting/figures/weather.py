"""Gradient weather: how the tasks' gradients stood to each other while they were trained together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minbert.reporting.figure import Figure
from minbert.reporting.style import (
    BLUE,
    INK,
    VERMILLION,
    draw_means,
    legend_columns,
    legend_height,
    looks,
    new_drawing,
    shades,
    shortened,
    step_axis,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

MOST_LINES = 3
"""More pairs than so many are rows of colours, not lines."""
_BY = "mean over the steps between two evaluations"


def gradient_cosines(history: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draw the cosine between the gradients of every two tasks, and the share of steps on which they were in conflict.

    Returns:
        None where the run did not compute each task's own gradient (summed losses do not), or had one task.
    """
    ends, reports = _reports(history, "cosines")
    pairs = list(dict.fromkeys(pair for report in reports for pair in report["cosines"]))
    if not pairs:
        return None
    values = {
        what: np.array([[report[what].get(pair, np.nan) for report in reports] for pair in pairs], dtype=np.float64)
        for what in ("cosines", "conflicts")
    }
    few = len(pairs) <= MOST_LINES
    names = [" – ".join(shortened(task, 20 if few else 14) for task in pair.split("~")) for pair in pairs]
    with styled():
        drawing = (_lines if few else _maps)(ends, names, values["cosines"], values["conflicts"])
    told = [
        f"{pair.replace('~', ' and ')}: cosine {cosine:.3f}, {100 * share:.0f} % of steps in conflict"
        for pair, cosine, share in zip(pairs, values["cosines"][:, -1], values["conflicts"][:, -1], strict=True)
    ]
    return Figure(
        "gradient-cosines",
        "Gradients: do the tasks agree?",
        f"Left: cosine of the angle between two tasks' gradients of what they share, {_BY}; above 0 a step for the one "
        "helps the other, below it harms. Right: the share of those steps whose cosine was below 0. Between unrelated "
        "gradients the cosine is near 0 and the share near one half.",
        f"Gradients of every two tasks over {ends[-1]} steps, in the last stretch: {'; '.join(told)}.",
        drawing,
    )


def loss_weights(history: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draw each task's weight and gradient norm, and how far surgery or weighting moved the update.

    Returns:
        None where all weights were 1 all along, as with summed losses.
    """
    ends, reports = _reports(history, "weights")
    tasks = list(dict.fromkeys(task for report in reports for task in report["weights"]))
    weights = [[report["weights"].get(task) for report in reports] for task in tasks]
    if all(weight in (None, 1.0) for row in weights for weight in row):
        return None
    norms = [[report.get("norms", {}).get(task) for report in reports] for task in tasks]
    moved = [report.get("moved") for report in reports]
    full = any(value is not None for value in moved)
    with styled():
        names = [shortened(task, 30) for task in tasks]
        drawing, grid = new_drawing(2.4 + legend_height(names), 1, 3 if full else 1, width=7.0 if full else 4.6)
        for index in range(len(tasks)):
            draw_means(grid[0, 0], ends, weights[index], **looks(index), label=names[index])
            if full:
                draw_means(grid[0, 1], ends, norms[index], **looks(index))
        grid[0, 0].axhline(1, color=INK, linestyle=":", linewidth=1)
        grid[0, 0].set(title="weight of each task", ylabel="weight (1: as it is)")
        if full:
            grid[0, 1].set(title="gradient norm", ylabel="length of the gradient")
            if _spans(norms, 20):
                grid[0, 1].set_yscale("log")
            draw_means(grid[0, 2], ends, moved, color=INK, marker="o", linestyle="-")
            grid[0, 2].set(title="update moved", ylabel="of the plain sum's length")
            grid[0, 2].set_ylim(bottom=0)
        for axes in grid[0]:
            step_axis(axes, ends[-1])
        drawing.legend(loc="outside lower center", ncols=legend_columns(names))
    told = [f"{task} {row[-1]:.3f}" for task, row in zip(tasks, weights, strict=True) if row[-1] is not None]
    last = f" The update was moved by {moved[-1]:.2f} of the plain sum's length." if moved[-1] is not None else ""
    return Figure(
        "loss-weights",
        "Gradients: how much each task counts",
        f"Each task's weight in the update ({_BY})"
        + (
            ", the length of its own gradient, and how far the combined update lay from the plain sum of gradients, "
            "as a share of that sum's length."
            if full
            else "."
        ),
        f"Weights of tasks over {ends[-1]} steps, in the last stretch: {', '.join(told)}.{last}",
        drawing,
    )


def _reports(history: Sequence[Mapping[str, Any]], key: str) -> tuple[list[int], list[Mapping[str, Any]]]:
    """Return the ends of the stretches between evaluations, and each one's report, from the first that has ``key``."""
    first = next((at for at, line in enumerate(history) if at and line["combination"].get(key)), None)
    if first is None:
        return [], []
    lines = [line for line in history[first:] if line["combination"].get(key)]
    return [history[first - 1]["step"], *(line["step"] for line in lines)], [line["combination"] for line in lines]


def _spans(rows: Sequence[Sequence[float | None]], times: float) -> bool:
    known = [value for row in rows for value in row if value]
    return bool(known) and min(known) > 0 and max(known) > times * min(known)


def _lines(ends: Sequence[int], names: Sequence[str], cosines: Any, conflicts: Any) -> Drawing:
    drawing, grid = new_drawing(2.7 + legend_height(names), 1, 2)
    for index, name in enumerate(names):
        draw_means(grid[0, 0], ends, cosines[index], **looks(index), label=name)
        draw_means(grid[0, 1], ends, 100 * conflicts[index], **looks(index))
    grid[0, 0].axhline(0, color=INK, linewidth=0.7)
    grid[0, 1].axhline(50, color=INK, linestyle=":", linewidth=1)
    reach = 1.15 * max(0.05, float(np.nanmax(np.abs(cosines))))
    grid[0, 0].set(title="cosine of two tasks' gradients", ylabel="cosine (-1 to 1)", ylim=(-reach, reach))
    grid[0, 1].set(title="steps in conflict", ylabel="share of steps (%)", ylim=(-4, 104))
    for axes in grid[0]:
        step_axis(axes, ends[-1])
    drawing.legend(loc="outside lower center", ncols=legend_columns(names))
    return drawing


def _maps(ends: Sequence[int], names: Sequence[str], cosines: Any, conflicts: Any) -> Drawing:
    drawing, grid = new_drawing(0.19 * len(names) + 1.3, 1, 2)
    reach = max(0.05, float(np.nanmax(np.abs(cosines))))
    edges = np.arange(len(names) + 1) - 0.5
    for axes, values, low, high, colours, label in (
        (grid[0, 0], cosines, -reach, reach, _both_ways(), "cosine (-1 to 1)"),
        (grid[0, 1], 100 * conflicts, 0, 100, shades(VERMILLION, 41), "share of steps in conflict (%)"),
    ):
        map_ = axes.pcolormesh(ends, edges, values, cmap=colours, vmin=low, vmax=high)
        _write_cells(axes, ends, values)
        axes.set_ylim(len(names) - 0.5, -0.5)
        step_axis(axes, ends[-1])
        axes.grid(False)
        drawing.colorbar(map_, ax=axes, location="bottom", label=label, aspect=30, pad=0.02)
    grid[0, 0].set_yticks(range(len(names)), names)
    grid[0, 1].set_yticks([])
    return drawing


def _write_cells(axes: Axes, ends: Sequence[int], values: Any) -> None:
    if len(ends) > 5:
        return
    for (row, column), value in np.ndenumerate(values):
        told = "" if np.isnan(value) else f"{value:.0f}" if np.nanmax(values) > 1 else f"{value:.2f}"
        axes.text((ends[column] + ends[column + 1]) / 2, row, told, ha="center", va="center", fontsize=7.5)


def _both_ways() -> Any:
    """Return a colour map from vermillion over nothing to blue."""
    from matplotlib.colors import ListedColormap, to_rgb

    shares = np.linspace(-0.75, 0.75, 41)
    return ListedColormap([(*to_rgb(BLUE if share > 0 else VERMILLION), abs(share)) for share in shares])
