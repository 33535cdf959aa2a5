"""What all figures have in common: colours, markers, lines, sizes. None of it is set for other users of matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure as Drawing
    from numpy.typing import NDArray

INK = "#010203"
"""The colour of text, axes and whatever else is black on paper; no other colour may be this one."""
PAPER = "#fdfefc"
"""The colour of what is behind: for an edge around words that stand on lines."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", INK)
"""Okabe & Ito (2008), but for its yellow, which is hard to see on white; grey and the page's ink in its place."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2)))
BLUE, VERMILLION, GREEN = COLOURS[:3]
GREY = COLOURS[6]
WIDTH = 7.0
"""Inches that a figure may be wide: what a page has between its margins."""

_STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # no ticks above that it would have to avoid; looking for some takes a tenth of the drawing
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.7,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.5,
    "lines.markersize": 5.0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 2.8,
    "figure.facecolor": "none",
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.06,
    "svg.fonttype": "path",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw within in the style of all figures, whatever a user's matplotlibrc says; it is undone afterwards.

    Some of it is asked for when axes are made, some only when they are drawn on a page.
    """
    from matplotlib import rc_context, rcParamsDefault

    plain: dict[Any, Any] = {name: rcParamsDefault[name] for name in rcParamsDefault if not name.startswith("backend")}
    with rc_context({**plain, **_STYLE}):
        yield


def new_drawing(height: float, rows: int = 1, columns: int = 1, width: float = WIDTH) -> tuple[Drawing, NDArray[Any]]:
    """Return an empty drawing of so many inches and its axes (rows, columns), which are laid out when it is drawn."""
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=(width, height), layout="constrained")
    return drawing, drawing.subplots(rows, columns, squeeze=False)


def looks(index: int) -> dict[str, Any]:
    """Return colour, marker and line of the series ``index``; sixty-four differ from each other."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[(index + index // len(COLOURS)) % len(LINES)],
    }


def shades(colour: str, steps: int, least: float = 0.0) -> ListedColormap:
    """Return a colour map from ``least`` of ``colour`` up, see-through so that it fits a light page and a dark one.

    Even its strongest shade leaves ink on it readable on both.
    """
    import numpy as np
    from matplotlib.colors import ListedColormap, to_rgb

    return ListedColormap([(*to_rgb(colour), alpha) for alpha in np.linspace(least, 0.75, steps)])


def draw_means(axes: Axes, ends: Sequence[float], values: Sequence[float | None], **look: Any) -> None:
    """Draw means over steps: a level from the end of one interval to that of the next, a marker in its middle.

    Args:
        axes: where.
        ends: (E + 1,) the steps at which the E intervals begin and end.
        values: (E,) means; None where there is none.
        look: see ``looks``.
    """
    import numpy as np

    means = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    middles = (np.asarray(ends[:-1], dtype=np.float64) + np.asarray(ends[1:], dtype=np.float64)) / 2
    every = max(1, len(means) // 8)
    label = look.pop("label", None)
    axes.plot(np.repeat(ends, 2)[1:-1], np.repeat(means, 2), **{**look, "marker": ""})
    axes.plot(middles, means, **{**look, "linestyle": ""}, markevery=(every // 2 if len(means) > 1 else 0, every))
    if label is not None:
        axes.plot([], [], label=label, **look)  # line and marker together, for the legend


def step_axis(axes: Axes, last: float) -> None:
    """Name the axis of steps and let it end where training did."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, max(last, 1) * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.set_xlabel("optimizer steps")
    axes.grid(True, axis="y")


def shortened(name: str, limit: int) -> str:
    """Return ``name``, its middle left out if it has more than ``limit`` characters."""
    if len(name) <= limit:
        return name
    head = (limit - 1) // 2
    return f"{name[:head]}…{name[len(name) - (limit - 1 - head) :]}"


def legend_columns(names: Sequence[str], most: int = 4) -> int:
    """Return how many columns of a legend beneath a figure of full width the longest of ``names`` leaves room for."""
    return max(1, min(most, len(names), 96 // (max(map(len, names)) + 9)))


def legend_height(names: Sequence[str]) -> float:
    """Return the inches that the legend of ``legend_columns`` takes."""
    return 0.1 + 0.19 * -(-len(names) // legend_columns(names))
