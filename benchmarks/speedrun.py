"""Speedrun: seconds of training to a dev mean of 0.730 on the course's three tasks, record by record.

    python benchmarks/speedrun.py --data DIR

The rules are in docs/speedrun.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from common import Figures, in_a_process, processor, show, wide_console
from quality.curves import Point
from quality.ours import ONE_PASS, curve_of
from quality.rows import Course

GOAL = 0.730
"""Mean of accuracy (SST-5, Quora) and Pearson's r (STS), on dev, over the seeds."""

RECORDS: Mapping[str, Mapping[str, Any]] = {
    "three passes": {},
    "solved heads, one pass": ONE_PASS,
}
"""What each record changes in ``cs224n/multitask``, the oldest first."""

COLUMNS = {
    "record": "record",
    "seconds": "seconds",
    "sentiment": "SST",
    "paraphrase": "Quora",
    "similarity": "STS",
    "mean": "mean",
    "reached": f"{GOAL:.3f} reached",
}


def main() -> None:
    """Run the records that are asked for, or with ``--one`` a single run."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        course = Course(options.data, options.encoder, options.seeds[0], options.rows)
        print(json.dumps(asdict(curve_of(course, "cs224n/multitask", RECORDS[options.one])[-1])))
        return
    console = wide_console()
    found: dict[str, list[Figures]] = {name: [] for name in options.only or RECORDS}
    for seed in options.seeds:
        for name, runs in found.items():
            with console.status(f"seed {seed}: {name}"):
                runs.append(in_a_process(__file__, arguments(name, seed, options), options.threads))
    console.print(f"{processor()}, {options.threads} threads, torch {torch.__version__}", highlight=False)
    show(console, f"means over seeds {options.seeds}", COLUMNS, [row(name, runs) for name, runs in found.items()])


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="folder with the course's files")
    options.add_argument("--encoder", default="minilm", help="'minilm' or a folder")
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--rows", type=int, help="at most so many training and dev rows of each task: a trial")
    options.add_argument("--only", nargs="+", choices=RECORDS, metavar="RECORD", help="; ".join(RECORDS))
    options.add_argument("--one", choices=RECORDS, help=argparse.SUPPRESS)
    return options


def arguments(name: str, seed: int, options: argparse.Namespace) -> list[str]:
    """Return the command line of one run."""
    rows = [] if options.rows is None else [f"--rows={options.rows}"]
    given = [f"--data={options.data}", f"--encoder={options.encoder}", f"--threads={options.threads}"]
    return [f"--one={name}", f"--seeds={seed}", *given, *rows]


def row(name: str, runs: Sequence[Figures]) -> Figures:
    """Return a record's line: what its runs had at their ends, on average over the seeds."""
    points = [Point(**run) for run in runs]
    mean = fmean(point.mean for point in points)
    scores = {task: fmean(point.scores[task] for point in points) for task in points[0].scores}
    seconds = fmean(point.seconds for point in points)
    return {"record": name, "seconds": seconds, **scores, "mean": mean, "reached": "yes" if mean >= GOAL else "no"}


if __name__ == "__main__":
    main()
