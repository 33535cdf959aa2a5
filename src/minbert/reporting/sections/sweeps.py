"""What sweeps have shown: their tables and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from minbert.recipe.seeds import Spread
from minbert.reporting.figures.sweep import one_at_a_time, parallel_coordinates
from minbert.reporting.material import Material
from minbert.reporting.page import Block, Drawn, Heading, Section, Table
from minbert.reporting.sections.drawing import unique_slugs
from minbert.sweeping.values import compact, short_keys
from minbert.tasks.metrics import with_direction, worth


def sweeps(material: Material) -> Section:
    """Return the section: a table of all configurations of every sweep, and how the score follows the settings."""
    blocks: list[Block] = []
    names = unique_slugs(list(material.sweeps))
    for name, results in material.sweeps.items():
        blocks += [Heading(name), _table(results)]
        for figure in (parallel_coordinates(results), one_at_a_time(results)):
            if figure is not None:
                several = len(names) > 1
                blocks.append(Drawn(replace(figure, name=f"{names[name]}-{figure.name}") if several else figure))
    return Section("sweeps", "Sweep", blocks)


def _table(results: Mapping[str, Any]) -> Table:
    short = short_keys(list(results["keys"]))
    scores = list(dict.fromkeys(name for row in results["configurations"] for name in row["scores"]))
    ranked = sorted(results["configurations"], key=lambda row: _place(row, results["score"]))
    rows = []
    for row in ranked:
        marks = [word for word in ("best", "base") if results[word] == row["name"]]
        difference = row["difference"]
        rows.append(
            [
                row["name"] + (f" ({', '.join(marks)})" if marks else ""),
                *(compact(row["values"][key]) for key in results["keys"]),
                *(_shown(row["scores"].get(score)).replace(" ±", "\n±") for score in scores),
                f"{difference:+.3f}" if difference is not None else "",
                f"{row['train_seconds']:,.0f}" if row["train_seconds"] is not None else "",
                row["state"],
            ]
        )
    header = [
        "configuration",
        *short.values(),
        *(with_direction(score.rpartition(".")[2], score.replace(".", ", ")) for score in scores),
        "difference",
        "seconds",
        "state",
    ]
    note = (
        f"Dev scores, the best {results['score']} first; ± is the standard deviation over seeds. The difference is "
        "that of the score from the base's. The best was picked by its score on dev, so that score is too good: part "
        "of it is luck."
    )
    words = frozenset({0, *range(1, len(short) + 1), len(header) - 1})
    return Table(f"{len(rows)} configurations", header, rows, note, words)


def _place(row: Mapping[str, Any], score: str) -> float:
    spread = row["scores"].get(score)
    return -worth(score, float(spread["mean"])) if spread else math.inf


def _shown(spread: Mapping[str, Any] | None) -> str:
    return str(Spread(spread["mean"], spread["sd"], spread["n"])) if spread else ""
