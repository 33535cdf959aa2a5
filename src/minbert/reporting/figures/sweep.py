"""A sweep: which settings gave which scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minbert.reporting.figure import Figure
from minbert.reporting.style import BLUE, GREY, INK, PAPER, VERMILLION, WIDTH, new_drawing, shortened, styled
from minbert.sweeping.values import compact, short_keys
from minbert.tasks.metrics import worth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Configurations = Sequence[Mapping[str, Any]]

LABEL = 16
"""Characters that a value may have at an axis."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the values of one key stand on its axis, from 0 to 1."""

    places: NDArray[np.float64]
    """(R,) one for each of the values it was made of."""
    ticks: list[tuple[float, str]]
    logarithmic: bool = False


def scale_of(values: Sequence[Any]) -> Scale:
    """Return the scale of the values (R,) of a key: even for numbers, even in ratios where they span 20 times or more.

    Whatever is no number has a place of its own, in order of appearance; so do up to three numbers, in theirs.
    """
    words = [compact(value) for value in values]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values) or len(set(words)) <= 3:
        order = [compact(value) for value in sorted(set(numbers))] if len(numbers) == len(values) else []
        order = list(dict.fromkeys([*order, *words]))
        place_of = {word: (at + 0.5) / len(order) for at, word in enumerate(order)}
        ticks = [(place, shortened(word, LABEL)) for word, place in place_of.items()]
        return Scale(np.array([place_of[word] for word in words]), ticks)
    known = np.array(numbers, dtype=np.float64)
    return number_scale(known, logarithmic=bool(known.min() > 0 and known.max() >= 20 * known.min()))


def number_scale(known: NDArray[np.float64], logarithmic: bool = False) -> Scale:
    """Return the scale of numbers (R,), with round ticks between the least and the greatest."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    low, high = float(known.min()), float(known.max())
    if low == high:
        return Scale(np.full(len(known), 0.5), [(0.5, f"{low:.4g}")])
    slack = 1e-9 * low if logarithmic else 1e-9 * (high - low)  # a round number may be rounded the wrong way
    locators = [LogLocator(subs=subs) for subs in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))]
    for locator in locators if logarithmic else [MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])]:
        marks = np.array([mark for mark in locator.tick_values(low, high) if low - slack <= mark <= high + slack])
        if len(marks) > 2:
            break

    def place(values: NDArray[np.float64]) -> NDArray[np.float64]:
        line, ends = (np.log(values), np.log([low, high])) if logarithmic else (values, np.array([low, high]))
        shares: NDArray[np.float64] = (line - ends[0]) / (ends[1] - ends[0])
        return 0.05 + 0.9 * shares

    words = [f"{mark:.4g}" for mark in marks]
    if not logarithmic and not any("e" in word for word in words):
        decimals = max(len(word.partition(".")[2]) for word in words)
        words = [f"{mark:.{decimals}f}" for mark in marks]
    return Scale(place(known), list(zip(place(marks).tolist(), words, strict=True)), logarithmic)


def parallel_coordinates(sweep: Mapping[str, Any]) -> Figure | None:
    """Draw every finished configuration as a line through its values and its score.

    Args:
        sweep: the content of ``sweep.json``.

    Returns:
        None where fewer than two configurations have a score.
    """
    from matplotlib.patheffects import withStroke

    rows = _finished(sweep)
    if len(rows) < 2:
        return None
    keys, scores = list(sweep["keys"]), _scores(sweep, rows)
    short = short_keys(keys)
    scales = [scale_of([row["values"][key] for row in rows]) for key in keys]
    low, high = float(scores.min()), float(scores.max())
    span = high - low or 1.0
    scales.append(number_scale(scores))
    with styled():
        drawing, grid = new_drawing(3.5, width=max(WIDTH * 0.75, 1.5 * len(scales)))
        axes = grid[0, 0]
        better = worth(sweep["score"], 1.0)
        order = np.argsort(better * scores)
        for at in order:
            line = [float(scale.places[at]) for scale in scales]
            best, base = (rows[at]["name"] == sweep[what] for what in ("best", "base"))
            share = (scores[at] - low if better > 0 else high - scores[at]) / span
            look = (
                {"color": VERMILLION, "linewidth": 2.6, "label": "best"}
                if best
                else {"color": INK, "linewidth": 1.8, "linestyle": "--", "label": "base (as the recipe stands)"}
                if base
                else {"color": BLUE, "linewidth": 1.1, "alpha": 0.4 + 0.5 * float(share)}
            )
            axes.plot(range(len(scales)), line, **look, zorder=3 if best or base else 2, solid_joinstyle="round")
        for column, scale in enumerate(scales):
            axes.axvline(column, color=INK, linewidth=0.7)
            for place, word in scale.ticks:
                last = column == len(scales) - 1
                axes.annotate(
                    word,
                    (column, place),
                    (5 if last else -5, 0),
                    textcoords="offset points",
                    ha="left" if last else "right",
                    va="center",
                    fontsize=8,
                    path_effects=[withStroke(linewidth=2.5, foreground=PAPER)],
                    zorder=5,
                )
                axes.plot([column - 0.012, column + 0.012], [place, place], color=INK, linewidth=0.7)
        names = [shortened(short[key], LABEL + 4) for key in keys]
        names = [
            f"{name}\n(log scale)" if scale.logarithmic else name for name, scale in zip(names, scales, strict=False)
        ]
        axes.set_xticks(range(len(scales)), [*names, f"{shortened(sweep['score'], LABEL + 4)}\n(dev score)"])
        axes.set(ylim=(0, 1), xlim=(-0.45, len(scales) - 0.6), yticks=[])
        axes.tick_params(axis="x", length=0)
        axes.spines[:].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return Figure(
        "sweep-parallel-coordinates",
        "Every configuration of the sweep",
        f"Each line is a configuration: through its values to its dev score ({sweep['score']}), the mean over "
        "seeds where there are several. Stronger lines scored better.",
        f"{len(rows)} configurations, {sweep['score']} from {low:.3f} to {high:.3f}. {_best(sweep, rows, short)}",
        drawing,
    )


def one_at_a_time(sweep: Mapping[str, Any]) -> Figure | None:
    """Draw the score over each key's values; configurations that differ from the base in that key alone are joined.

    Args:
        sweep: the content of ``sweep.json``.

    Returns:
        None where fewer than two configurations have a score.
    """
    rows = _finished(sweep)
    if len(rows) < 2:
        return None
    keys, scores = list(sweep["keys"]), _scores(sweep, rows)
    short = short_keys(keys)
    across = min(3, len(keys))
    down = -(-len(keys) // across)
    base = next((at for at, row in enumerate(rows) if row["name"] == sweep["base"]), None)
    sds = [(row["scores"][sweep["score"]]["sd"] or 0.0) for row in rows]
    with styled():
        drawing, grid = new_drawing(2.6 * down + 0.3, down, across, width=WIDTH if across > 1 else 0.7 * WIDTH)
        for index, axes in enumerate(grid.flat):
            if index >= len(keys):
                axes.set_axis_off()
                continue
            key = keys[index]
            scale = scale_of([row["values"][key] for row in rows])
            near = [
                at for at, row in enumerate(rows) if all(_same(row, sweep, other) for other in keys if other != key)
            ]
            far = [at for at in range(len(rows)) if at not in near]
            axes.plot(scale.places[far], scores[far], "o", color=GREY, markersize=4, alpha=0.6, markeredgewidth=0)
            near = [near[at] for at in np.argsort(scale.places[near], kind="stable")]
            _draw_near(axes, scale.places[near], scores[near], [sds[at] for at in near])
            if base is not None:
                axes.plot(
                    scale.places[base], scores[base], marker="D", markersize=8, color=INK, fillstyle="none", zorder=4
                )
            turned = sum(len(word) for _, word in scale.ticks) > 60 // across
            axes.set_xticks([place for place, _ in scale.ticks], [word for _, word in scale.ticks])
            if turned:
                axes.tick_params(axis="x", rotation=40)
                for label in axes.get_xticklabels():
                    label.set(ha="right", rotation_mode="anchor")
            axes.set(
                xlim=(-0.04, 1.04), ylabel=f"dev score: {shortened(sweep['score'], 22)}" if index % across == 0 else ""
            )
            axes.set_xlabel(shortened(short[key], 26) + (" (log scale)" if scale.logarithmic else ""))
            axes.grid(True, axis="y")
        _share_heights(list(grid.flat)[: len(keys)], scores, sds)
    return Figure(
        "sweep-one-at-a-time",
        "One setting at a time",
        f"Dev score ({sweep['score']}) over the values of each key. Joined blue points differ from the recipe as it "
        "stands (the diamond, where it was run) in that key alone; grey ones in others, too. Bars are standard "
        "deviations over seeds, where there are several.",
        f"{len(rows)} configurations over {len(keys)} keys, {sweep['score']} from {scores.min():.3f} to "
        f"{scores.max():.3f}. {_best(sweep, rows, short)}",
        drawing,
    )


def _draw_near(axes: Axes, places: NDArray[np.float64], scores: NDArray[np.float64], sds: Sequence[float]) -> None:
    axes.plot(places, scores, "o-", color=BLUE, zorder=3)
    if any(sds):
        axes.errorbar(places, scores, yerr=sds, color=BLUE, fmt="none", elinewidth=1, capsize=2.5, zorder=3)


def _share_heights(panels: Sequence[Axes], scores: NDArray[np.float64], sds: Sequence[float]) -> None:
    low, high = float((scores - sds).min()), float((scores + sds).max())
    room = 0.08 * (high - low) or 0.01
    for axes in panels:
        axes.set_ylim(low - room, high + room)


def _finished(sweep: Mapping[str, Any]) -> Configurations:
    return [row for row in sweep["configurations"] if row["scores"].get(sweep["score"]) is not None]


def _scores(sweep: Mapping[str, Any], rows: Configurations) -> NDArray[np.float64]:
    return np.array([row["scores"][sweep["score"]]["mean"] for row in rows], dtype=np.float64)


def _same(row: Mapping[str, Any], sweep: Mapping[str, Any], key: str) -> bool:
    return compact(row["values"][key]) == compact(sweep["keys"][key])


def _best(sweep: Mapping[str, Any], rows: Configurations, short: Mapping[str, str]) -> str:
    best = next((row for row in rows if row["name"] == sweep["best"]), None)
    if best is None:
        return "None is complete."
    values = ", ".join(f"{short[key]} {compact(value)}" for key, value in best["values"].items())
    return f"Best: {values}, with {best['scores'][sweep['score']]['mean']:.3f}."
