"""What it cost: seconds, examples a second, memory."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from minbert.reporting.figures.cost import cost as draw_cost
from minbert.reporting.material import Material, System
from minbert.reporting.page import Block, Drawn, Section, Table

_COLUMNS = {
    "train_seconds": "seconds",
    "examples_per_second": "examples/s",
    "real_tokens_per_second": "real tokens/s",
    "trained_parameters": "weights trained",
    "peak_memory_mb": "most memory, MB",
}


def cost(material: Material) -> Section:
    """Return the section: the mean over seeds of what each finished run spent."""
    known = {key: name for key, name in _COLUMNS.items() if any(_mean(system, key) for system in material.systems)}
    if not known:
        return Section("cost", "Cost", [], ["No run has come to its end, so what training costs is not known."])
    rows = [
        [system.name, *(_shown(_mean(system, key)) for key in known)]
        for system in material.systems
        if any(_mean(system, key) is not None for key in known)
    ]
    blocks: list[Block] = [
        Table(
            "Training, the mean over seeds",
            ["system", *known.values()],
            rows,
            "Seconds are of training alone, without evaluations. Runs on machines that did other work beside cannot be "
            "compared by them.",
        )
    ]
    drawn = draw_cost(
        {
            system.name: {**system.first.metrics, **{key: value for key in known if (value := _mean(system, key))}}
            for system in material.systems
            if any(_mean(system, key) is not None for key in known)
        }
    )
    if drawn is not None and len(material.systems) > 1:
        blocks.append(Drawn(drawn))
    return Section("cost", "Cost", blocks)


def _mean(system: System, key: str) -> float | None:
    values: Sequence[float] = [run.metrics[key] for run in system.runs if key in run.metrics]
    return statistics.fmean(values) if values else None


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
