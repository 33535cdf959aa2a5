"""What every system cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minbert.reporting.figure import Figure
from minbert.reporting.figures.bars import Panel, draw_panels
from minbert.reporting.style import styled

_QUANTITIES = {
    "train_seconds": ("training time", "seconds"),
    "examples_per_second": ("training speed", "examples per second"),
    "peak_memory_mb": ("peak memory", "megabytes"),
}


def cost(systems: Mapping[str, Mapping[str, Any]]) -> Figure | None:
    """Draw seconds, examples a second and memory of every system, as far as its ``metrics.json`` tells.

    Returns:
        None where none tells anything.
    """
    panels, told = [], []
    for key, (title, label) in _QUANTITIES.items():
        values = {name: float(metrics[key]) for name, metrics in systems.items() if metrics.get(key) is not None}
        if values:
            panels.append(Panel(title, label, {name: (value,) * 3 for name, value in values.items()}, "{:,.4g}".format))
            told.append(f"{title} from {min(values.values()):,.4g} to {max(values.values()):,.4g} {label}")
    if not panels:
        return None
    with styled():
        drawing = draw_panels(panels, list(systems))
    devices = sorted(
        {f"{metrics.get('device', '?')}, {metrics.get('threads', '?')} threads" for metrics in systems.values()}
    )
    return Figure(
        "cost",
        "Cost",
        f"Time and speed of training, without evaluations; memory is the most that the process held. On: "
        f"{'; '.join(devices)}. Times of runs compare only where machine and load were the same.",
        f"Cost of {len(systems)} systems: {'; '.join(told)}.",
        drawing,
    )
