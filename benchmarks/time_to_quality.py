"""Time to quality: which dev score of three tasks one has after how many seconds, by ours and by what users would pick.

    python benchmarks/time_to_quality.py --data DIR --results FILE.jsonl

What is compared, and why that is fair, is in docs/time-to-quality.md. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path

import torch
from rich.console import Console

from common import in_a_process, installed, processor, show, wide_console
from minbert.errors import UserError
from minbert.files import write_text
from quality.contestants import CONTESTANTS, OURS
from quality.figure import quality_over_time
from quality.results import Part, Result, read_results, standings, write_results
from quality.rows import Course
from quality.tables import ENDS, RATIO, TOP, end_rows, ratio_rows, top_rows

FIGURE = "the figure"


def main() -> None:
    """Measure what is missing and show all there is, or with ``--one`` train one part."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    if options.one is not None:
        part = Part.model_validate_json(options.one)
        print(json.dumps([asdict(point) for point in CONTESTANTS[part.contestant].run(course(part, options), part)]))
        return
    console = wide_console()
    if options.figure is not None and not installed(FIGURE, {FIGURE: ["matplotlib"]}, console):
        sys.exit(2)
    try:
        results = measure(options, console)
        report(results, options, console)
    except UserError as error:
        sys.exit(str(error))


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="folder with the course's files")
    options.add_argument("--results", type=Path, default=Path("time-to-quality.jsonl"), help="goes on from this file")
    options.add_argument("--encoder", default="minilm", help="'minilm' or a folder that transformers reads too")
    options.add_argument("--seeds", type=int, nargs="+", default=[11711])
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--rows", type=int, help="at most so many training and dev rows of each task: a trial")
    options.add_argument("--only", nargs="+", choices=CONTESTANTS, metavar="NAME", help="; ".join(CONTESTANTS))
    options.add_argument("--figure", type=Path, help="draw the curves there, as SVG")
    options.add_argument("--show", action="store_true", help="only show what --results has")
    options.add_argument("--one", help=argparse.SUPPRESS)
    return options


def course(part: Part, options: argparse.Namespace) -> Course:
    """Return the rows of a part."""
    return Course(options.data, part.encoder, part.seed, part.rows)


def parts_wanted(options: argparse.Namespace, console: Console) -> list[Part]:
    """Return all parts in the order of their worth: of all contestants the likeliest settings first."""
    needs = {name: contestant.needs for name, contestant in CONTESTANTS.items()}
    names = [name for name in options.only or CONTESTANTS if options.show or installed(name, needs, console)]
    same = {"rows": options.rows, "encoder": options.encoder, "threads": options.threads}
    wanted = []
    for seed in options.seeds:
        columns = [
            [Part(contestant=name, tasks=tasks, setting=setting, seed=seed, **same) for setting in settings]
            for name in names
            for tasks in CONTESTANTS[name].parts
            for settings in [CONTESTANTS[name].settings_of(tasks)]
        ]
        wanted += [part for line in zip_longest(*columns) for part in line if part is not None]
    return wanted


def measure(options: argparse.Namespace, console: Console) -> list[Result]:
    """Train what has not been trained yet, each part in a process of its own; return the results of all that is wanted.

    Raises:
        UserError: the file of results is damaged, or cannot be written.
    """
    known = {result.part: result for result in read_results(options.results)}
    wanted = parts_wanted(options, console)
    for number, part in enumerate(wanted):
        if part in known or options.show:
            continue
        told = " ".join([part.contestant, *part.tasks, part.setting])
        with console.status(f"{number + 1} of {len(wanted)}: {told}"):
            known[part] = trained(part, options)
        write_results(options.results, known.values())
    return [known[part] for part in wanted if part in known]


def trained(part: Part, options: argparse.Namespace) -> Result:
    """Train one part in a process of its own."""
    arguments = [f"--one={part.model_dump_json()}", f"--data={options.data}", f"--threads={part.threads}"]
    found = in_a_process(__file__, arguments, part.threads)
    machine = f"{processor()}, {part.threads} threads, torch {torch.__version__}"
    return Result(part=part, curve=found, machine=machine)


def report(results: Sequence[Result], options: argparse.Namespace, console: Console) -> None:
    """Print the tables, and draw the figure.

    Raises:
        UserError: the figure cannot be written.
    """
    found = standings(results, {name: contestant.parts for name, contestant in CONTESTANTS.items()})
    if not found:
        return
    for machine in dict.fromkeys(result.machine for result in results):
        console.print(machine, highlight=False)
    if options.rows is not None:
        console.print("[yellow]Not all rows: this is a trial, not a measurement.[/yellow]")
    of_ours = {name: standing.curve for name, standing in found.items() if name in OURS}
    of_peers = {name: standing.curve for name, standing in found.items() if name not in OURS}
    show(console, "dev scores at both ends of each curve", ENDS, end_rows(found))
    show(console, "who is on top after so many seconds", TOP, top_rows(of_ours, of_peers))
    show(console, "the seconds to a peer's final mean", RATIO, ratio_rows(of_ours, of_peers))
    if options.figure is not None:
        write_text(options.figure, quality_over_time(of_ours | of_peers).file)


if __name__ == "__main__":
    main()
