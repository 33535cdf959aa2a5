"""What it costs to ask many tasks about the same texts: in one pass of the encoder, and a task at a time.

    python benchmarks/tasks_at_once.py --tasks 1 3 10 --texts 1000

A task at a time costs what a model for each task would. All tasks are classifications of one text, with fresh heads.
The two ways take turns. Tokenizing counts.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import torch

from answering import TASKS, our_model
from common import (
    ENOUGH_REPEATS,
    Figures,
    interleaved,
    machine,
    median_ratio,
    medians,
    show,
    show_machine,
    wide_console,
    write_figures,
)
from minbert.evaluation.streaming import predict
from minbert.machine.device import available_device
from minbert.machine.precision import Precision, fastest_precision
from minbert.multitask.model import MultitaskModel
from texts import TextGenerator, vocabulary_words

TOGETHER, APART = "together", "one at a time"


def main() -> None:
    """Measure each number of tasks."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    console, generator = wide_console(), TextGenerator(vocabulary_words(options.encoder), options.seed)
    described = machine(options.threads, available_device(), options.peak_size)
    show_machine(console, described, options.repeats)
    texts = generator.texts(generator.lengths("sentiment", options.texts))
    precision = fastest_precision(available_device())[0]
    rows = []
    for count in options.tasks:
        names = [f"task{number}" for number in range(count)]
        model = our_model(options.encoder, options.seed, dict.fromkeys(names, TASKS["predict"] | {"pooling": "mean"}))
        ways = {TOGETHER: [names], APART: [[name] for name in names]}
        run = partial(measured, model, ways, texts, precision)
        run(TOGETHER)
        runs = interleaved([*ways], options.repeats, run, console)
        seconds = {way: medians(found)["seconds"] for way, found in runs.items()}
        rows.append({"tasks": count, **seconds, "ratio": median_ratio(runs[APART], runs[TOGETHER], "seconds")})
    columns = {"tasks": "tasks", TOGETHER: "one pass, s", APART: "one at a time, s", "ratio": "times as long"}
    show(console, f"{options.texts} texts, {precision}", columns, rows)
    write_figures(options, {}, {f"{row['tasks']} tasks": row for row in rows}, {}, described)


def measured(
    model: MultitaskModel, ways: dict[str, list[list[str]]], texts: list[str], precision: Precision, way: str
) -> Figures:
    """Return the seconds of answering texts in one of some ways, each the tasks of one call after another."""
    started = time.perf_counter()
    for asked in ways[way]:
        predict(model, asked, texts, precision)
    return {"seconds": time.perf_counter() - started}


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tasks", nargs="+", type=int, default=[1, 3, 10], help="how many tasks")
    options.add_argument("--texts", type=int, default=1000, help="as long as SST-5's")
    options.add_argument("--encoder", default="minilm", help="'minilm' or a folder with an encoder")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--repeats", type=int, default=ENOUGH_REPEATS, help="interleaved runs of each")
    options.add_argument("--seed", type=int, default=11711)
    options.add_argument("--peak-size", type=int, default=4096, help="side of the matrices whose product is the peak")
    options.add_argument("--json", type=Path, help="write the figures there")
    return options


if __name__ == "__main__":
    main()
