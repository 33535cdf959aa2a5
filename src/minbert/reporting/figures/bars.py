"""Panels of horizontal bars, one bar a system, its name beside it: no colour is needed to tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from minbert.reporting.style import BLUE, INK, WIDTH, new_drawing, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity of every system."""

    title: str
    label: str
    """Of the axis, with its unit."""
    values: Mapping[str, tuple[float, float, float]]
    """System to value and ends of its interval (three times the value where there is none)."""
    tell: Callable[[float], str]
    """How a value is written beside its bar."""
    marked: str | None = None
    """The system whose bar is in full colour."""
    line: float | None = None
    """Where a line goes through the panel."""


def draw_panels(panels: Sequence[Panel], systems: Sequence[str], across: int = 3) -> Drawing:
    """Draw panels side by side, ``across`` in a row, the systems from top to bottom."""
    across = 2 if len(panels) == 4 else min(across, len(panels))
    rows = -(-len(panels) // across)
    height = rows * (0.24 * len(systems) + 0.85)
    width = WIDTH if across > 1 else 0.75 * WIDTH
    names = [shortened(system, 26) for system in systems]
    # A title may be as long as its panel is wide: some 10 of its letters to an inch, 13 of the names'.
    title_length = int(10 * ((width - max(map(len, names)) / 13) / across - 0.2))
    drawing, grid = new_drawing(height, rows, across, width)
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.set_axis_off()
            continue
        panel = panels[index]
        ends = [0.0]
        for place, system in enumerate(systems):
            if system not in panel.values:
                axes.text(0, place, " none", va="center", fontsize=8)
                continue
            value, low, high = panel.values[system]
            strong = system == panel.marked
            axes.barh(place, value, height=0.66, color=BLUE, alpha=0.95 if strong else 0.45, linewidth=0)
            if high > low:
                axes.errorbar(
                    value, place, xerr=[[value - low], [high - value]], color=INK, capsize=2.5, linewidth=1, fmt="none"
                )
            axes.text(
                1.0,
                place,
                panel.tell(value),
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=8,
                fontweight="bold" if strong else "normal",
            )
            ends += [value, low, high]
        if panel.line is not None:
            axes.axvline(panel.line, color=INK, linestyle=(0, (4, 3)), linewidth=0.9, zorder=0.5)
        low, high = min(ends), max(ends)
        room = max(high - low, 1e-9)
        axes.set_xlim(low - (0.04 * room if low < 0 else 0), high + 0.4 * room)  # room for the column of numbers
        axes.xaxis.set_major_locator(_few_ticks())
        axes.set_ylim(len(systems) - 0.4, -0.6)
        axes.set_yticks(range(len(systems)), names if index % across == 0 else [""] * len(systems))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(low >= 0)
        if low < 0:
            axes.axvline(0, color=INK, linewidth=0.7)
        axes.set(title=shortened(panel.title, title_length), xlabel=panel.label)
    return drawing


def _few_ticks() -> object:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
