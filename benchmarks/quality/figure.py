"""The figure: every contestant's mean over the seconds it took."""

from __future__ import annotations

from minbert.reporting.figure import Figure
from minbert.reporting.style import legend_columns, legend_height, looks, new_drawing, styled
from quality.curves import TIMES, Curves


def quality_over_time(curves: Curves) -> Figure:
    """Draw each curve as steps: a model is there from its point on, and is what one has until the next."""
    last = max(TIMES[-1], *(point.seconds for curve in curves.values() for point in curve))
    with styled():
        drawing, [[axes]] = new_drawing(3.6 + legend_height(list(curves)))
        for index, (name, curve) in enumerate(curves.items()):
            seconds, means = [point.seconds for point in curve], [point.mean for point in curve]
            axes.plot(seconds, means, label=name, drawstyle="steps-post", **looks(index))
            axes.plot([seconds[-1], last], [means[-1]] * 2, **{**looks(index), "marker": "", "alpha": 0.3})
        axes.set_xscale("log")
        axes.set_xticks(TIMES, [f"{seconds:,}" for seconds in TIMES])
        axes.set_xticks([], minor=True)
        axes.set(xlabel="seconds", ylabel="mean of the three dev scores")
        axes.grid(True)
        drawing.legend(loc="outside lower left", ncols=legend_columns(list(curves)))
    told = [f"{name} {curve[-1].mean:.3f} after {curve[-1].seconds:,.0f} s" for name, curve in curves.items()]
    return Figure(
        "time-to-quality",
        "Time to quality",
        "The mean dev score of the best model so far over the seconds of training. Pale lines go on at the last.",
        f"Mean dev scores over seconds, at the end: {'; '.join(told)}.",
        drawing,
    )
