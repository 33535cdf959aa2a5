"""What benchmarks of scores share: results that a second start goes on from, and a mean of differences."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from scipy.stats import t

from common import Figures


def known_results(path: Path) -> list[Figures]:
    """Return the results that a file has."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def ahead(differences: Sequence[float]) -> str:
    """Return the mean of differences with Student's 95 % interval where there is more than one."""
    mean = statistics.mean(differences)
    if len(set(differences)) < 2:
        return f"{mean:+.3f}"
    half = float(t.ppf(0.975, len(differences) - 1)) * statistics.stdev(differences) / len(differences) ** 0.5
    return f"{mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f})"
