"""Steps of 1, 2 and 3 processes on this machine, beside what the cost model says of them: a table of docs/scaling.md.

    python benchmarks/many_processes.py --repeats 3 --json many-processes.json

Each process has one thread. The model is told what one process takes for steps of two sizes, and what the processes
take to add up two gradients. It then predicts steps of other sizes, with another gradient. Every round starts all
processes anew; what is shown is the median of the rounds.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from common import Figures, machine, medians, show, show_machine, wide_console
from cost_model import Link, Work, step_seconds
from minbert.display.progress import Display
from minbert.machine.joining import joined
from minbert.optim.gradients import numbers_of
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import make_learner, prepare
from minbert.training.loop import TrainingLoop
from minbert.training.reduction import Reduction
from scaling import SHAPES, USUAL, write_point

LENGTH = 32
"""Tokens of a text."""
KNOWN = (256, 1536)
"""Tokens of the steps from which the model learns what computing costs."""
PREDICTED = (768, 3072)
"""Tokens of the steps that it predicts."""
MATRIX = (384, 1536)
"""The shape of the tensors of the gradients that are added up to measure the link."""
SMALL, LARGE = 1, 12
"""How many of them: 2.4 and 28 MB."""


def fitted_work(seconds: Mapping[int, float], tokens: int) -> Work:
    """Return the work of a step of ``tokens`` tokens: the line through the ``seconds`` of steps of two sizes."""
    (few, quick), (many, slow) = sorted(seconds.items())
    each = (slow - quick) / (many - few)
    return Work(fixed=max(0.0, quick - each * few), divided=each * tokens)


def fitted_link(seconds: Mapping[int, float], processes: int) -> Link:
    """Return the link on which adding up two sizes, in bytes, takes so many ``seconds``."""
    (small, quick), (large, slow) = sorted(seconds.items())
    each = (slow - quick) / (large - small)
    return Link(latency=max(0.0, quick - each * small), bandwidth=2 * (processes - 1) / processes / each)


def main() -> None:
    """Measure and predict; with ``--measure`` be one of the processes."""
    options = parser().parse_args()
    if options.measure:
        measure(options)
        return
    found: dict[int, list[Figures]] = {count: [] for count in options.processes}
    with tempfile.TemporaryDirectory() as folder:
        for tokens in (*KNOWN, *PREDICTED):
            tree = write_tree(Path(folder) / str(tokens), tokens, options)
            (Path(folder) / f"{tokens}.json").write_text(json.dumps(tree), encoding="utf-8")
        for _ in range(options.repeats):
            for count in options.processes:
                found[count].append(started(count, folder, options))
    report({count: medians(runs) for count, runs in found.items()}, options)


def write_tree(folder: Path, tokens: int, options: argparse.Namespace) -> Figures:
    """Write an encoder and rows for steps of so many tokens; return the recipe's tree."""
    folder.mkdir()
    rows = tokens // LENGTH
    tree: Figures = write_point(USUAL | {"rows": rows, "length": LENGTH, "shape": options.shape}, folder, options)
    tree["training"]["head_start"] = "random"  # what comes before the first step is not the subject
    return tree


def started(count: int, folder: str, options: argparse.Namespace) -> Figures:
    """Return what so many processes have measured."""
    launch = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}", "--standalone", __file__]
    same = [f"--{key}={getattr(options, key)}" for key in ("steps", "shape")]
    done = subprocess.run(
        [*launch, "--measure", folder, *same],
        env=os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(options: argparse.Namespace) -> None:
    """Print, on rank 0, the seconds of steps and of exchanges, and the bytes of the steps' gradients."""
    with joined() as own:
        torch.set_num_threads(1)  # minbert gives a process that is alone all cores
        found = {}
        for tokens in (*KNOWN, *PREDICTED):
            tree = json.loads((Path(options.measure) / f"{tokens}.json").read_text(encoding="utf-8"))
            found |= {f"{name} {tokens}": value for name, value in of_steps(tree, own.count, options.steps).items()}
        for matrices in (SMALL, LARGE):
            parameters = [torch.zeros(MATRIX) for _ in range(matrices)]
            for parameter in parameters:
                parameter.grad = torch.zeros(MATRIX)
            found[f"exchange {bytes_of(parameters)}"] = median_seconds(partial(add_up, parameters), 2 * options.steps)
        if own.first:
            print(json.dumps(found))


def of_steps(tree: Any, processes: int, steps: int) -> Figures:
    """Return the median seconds of a recipe's steps, and how many bytes of gradients one of them has in all."""
    recipe, display = parse_recipe(tree, "benchmarks/many_processes.py"), Display(Console(file=io.StringIO()))
    prepared = prepare(recipe, display)
    learner = make_learner(recipe, prepared, display)
    loop = TrainingLoop(learner, prepared.dev, prepared.course, Path(), display)
    loop.state.shards = processes
    loop.model.train()
    course = iter([step for step, _ in loop.course.steps(0)][: steps + 2])
    loop._accumulate(next(course))
    # What is exchanged of a sparse gradient is the rows that any process has read.
    gradients = [parameter.grad for parameter in loop.parameters if parameter.grad is not None]
    size = sum(
        bytes_of([numbers_of(gradient.coalesce() if gradient.is_sparse else gradient)]) for gradient in gradients
    )
    loop.optimizer.zero_grad(set_to_none=True)
    loop._step(next(course))
    return {"step": median_seconds(lambda: loop._step(next(course)), steps), "bytes": size}


def add_up(parameters: list[Tensor]) -> None:
    """Add up a gradient as a step does, with all that ranks tell each other before."""
    Reduction().total_(torch.zeros(1), parameters)


def bytes_of(tensors: list[Tensor]) -> int:
    """Return what tensors hold."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def median_seconds(do: Callable[[], None], repeats: int) -> float:
    """Return the median of so many calls."""
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        do()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def compared(found: Mapping[int, Figures], cores: int) -> list[Figures]:
    """Return for each size of a step and each number of processes what was measured and what the model says."""
    lines = []
    for tokens in PREDICTED:
        work = fitted_work({known: found[1][f"step {known}"] for known in KNOWN}, tokens)
        size = found[1][f"bytes {tokens}"]
        for count, figures in sorted(found.items()):
            link = Link(0.0, float("inf"))
            if count > 1:
                exchanges = {int(key.split()[1]): figures[key] for key in figures if key.startswith("exchange")}
                link = fitted_link(exchanges, count)
            predicted, measured = step_seconds(work, size, count, link, cores), figures[f"step {tokens}"]
            lines.append(
                {
                    "processes": str(count),
                    "tokens": tokens,
                    "megabytes": size / 1e6,
                    "latency_ms": 1e3 * link.latency if count > 1 else None,
                    "bandwidth_gb": link.bandwidth / 1e9 if count > 1 else None,
                    "predicted": predicted,
                    "measured": measured,
                    "error": predicted / measured - 1,
                }
            )
    return lines


def report(found: Mapping[int, Figures], options: argparse.Namespace) -> None:
    """Print the table and write the JSON."""
    console = wide_console()
    described = machine(1, torch.device("cpu"), 1024)
    lines = compared(found, described["cores"])
    show_machine(console, described, options.repeats)
    columns = {
        "processes": "processes",
        "tokens": "tokens a step",
        "megabytes": "MB added up",
        "latency_ms": "latency, ms",
        "bandwidth_gb": "GB/s",
        "predicted": "predicted, s",
        "measured": "measured, s",
        "error": "predicted / measured - 1",
    }
    show(console, f"{options.shape}, one thread a process", columns, lines)
    if options.json is not None:
        told = {"steps": lines, "machine": described, "settings": vars(options) | {"json": str(options.json)}}
        options.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3], help="1 must be among them")
    options.add_argument("--repeats", type=int, default=5, help="rounds, which take turns")
    options.add_argument("--steps", type=int, default=8, help="steps that are timed in a round, two or more")
    options.add_argument("--shape", choices=SHAPES, default="MiniLM-L6 (6 x 384)")
    options.add_argument("--encoder", default="minilm", help="whose tokenizer is taken")
    options.add_argument("--seed", type=int, default=11711)
    options.add_argument("--json", type=Path, help="write the figures there")
    options.add_argument("--measure", metavar="FOLDER", help=argparse.SUPPRESS)
    return options


if __name__ == "__main__":
    main()
