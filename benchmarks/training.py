"""Training three tasks: ours against the course's design, transformers' Trainer and sentence-transformers' trainer.

    python benchmarks/training.py --rows 2048 --repeats 5 --json training.json

What is compared, and why that is fair, is in docs/performance.md.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from common import (
    Figures,
    add_common_options,
    in_a_process,
    installed,
    interleaved,
    machine,
    median_ratio,
    medians,
    peak_memory_mb,
    show,
    show_machine,
    training_flops,
    wide_console,
    write_figures,
)
from minbert.display.progress import Display
from minbert.encoder.config_file import read_config
from minbert.encoder.sources import find_encoder
from minbert.files.json_text import read_json
from minbert.machine.allocator import keep_memory
from minbert.machine.device import available_device
from minbert.machine.precision import Precision, chosen_precision, fastest_precision
from minbert.recipe.recipe import Recipe
from minbert.running.run import train_recipe
from texts import benchmark_recipe, real_tokens, training_rows, write_generated

LEARNING_RATE = 5e-5
ALL = ("sentiment", "paraphrase", "similarity")
PAIRS = ("paraphrase", "similarity")


@dataclass(frozen=True)
class Contestant:
    """Somebody who trains."""

    design: str
    """ours, course, trainer or sentence-transformers."""
    tasks: tuple[str, ...] = ALL
    tuned: bool = False
    """A peer with what an expert would set; ours with what it sets itself ('auto' precision), else fp32."""
    wide: bool = False
    """A peer with as many rows of its one task a step as ours has of all together."""


CONTESTANTS = {
    "ours": Contestant("ours", tuned=True),
    "ours fp32": Contestant("ours"),
    "course": Contestant("course"),
    "course tuned": Contestant("course", tuned=True),
    "Trainer": Contestant("trainer"),
    "Trainer tuned": Contestant("trainer", tuned=True),
    "Trainer tuned, wide": Contestant("trainer", tuned=True, wide=True),
    "ours on pairs": Contestant("ours", PAIRS, tuned=True),
    "ours on pairs fp32": Contestant("ours", PAIRS),
    "sentence-transformers": Contestant("sentence-transformers", PAIRS),
    "sentence-transformers tuned": Contestant("sentence-transformers", PAIRS, tuned=True),
    "sentence-transformers tuned, wide": Contestant("sentence-transformers", PAIRS, tuned=True, wide=True),
}
NEEDS = {
    "course": ["transformers"],
    "trainer": ["transformers", "accelerate", "datasets"],
    "sentence-transformers": ["sentence_transformers", "accelerate", "datasets"],
}


def main() -> None:
    """Measure everybody, or with ``--one`` one of them."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    if options.one is not None:
        print(json.dumps(measure(options.one, options)))
        return
    console = wide_console()
    described = machine(options.threads, available_device(), options.peak_size)
    names = [name for name in options.only or CONTESTANTS if installed(CONTESTANTS[name].design, NEEDS, console)]
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            write_generated(Path(folder), options.rows, options.encoder, options.seed)
        data = options.data or Path(folder)
        runs = interleaved(names, options.repeats, lambda name: one(name, data, options), console)
    report(runs, described, options, console)


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=2048, help="training rows of each task")
    options.add_argument("--epochs", type=int, default=1)
    options.add_argument("--batch", type=int, default=32, help="rows of each task a step")
    add_common_options(options, list(CONTESTANTS))
    return options


def one(name: str, data: Path, options: argparse.Namespace) -> Figures:
    """Measure one contestant in a process of its own."""
    same = [f"--{key}={getattr(options, key)}" for key in ("rows", "epochs", "batch", "threads", "encoder", "seed")]
    return in_a_process(__file__, [f"--one={name}", f"--data={data}", *same], options.threads)


def measure(name: str, options: argparse.Namespace) -> Figures:
    """Train as one contestant does and return what it took."""
    contestant = CONTESTANTS[name]
    precision = fastest_precision(available_device())[0] if contestant.tuned else "fp32"
    recipe = benchmark_recipe(
        options.data,
        options.rows,
        options.epochs,
        options.batch,
        contestant.tasks,
        encoder__name=options.encoder,
        seed=options.seed,
        optimizer__learning_rate=LEARNING_RATE,
        training__precision="auto" if contestant.tuned else "fp32",
    )
    rows = training_rows(recipe)
    lengths = [length for task in real_tokens(recipe, rows).values() for length in task]
    tokens = sum(lengths) * options.epochs
    if contestant.design == "ours":
        found = run_ours(recipe, tokens)
        precision = chosen_precision(recipe.training.precision)
    else:
        if contestant.tuned:
            keep_memory()
        found = run_peer(contestant, recipe, options, precision)
    files = find_encoder(options.encoder)
    config = read_config(read_json(files.config), files.config)
    seconds = found["seconds"]
    return found | {
        "rows": sum(map(len, rows.values())) * options.epochs,
        "tokens": tokens,
        "precision": precision,
        "rows_per_second": sum(map(len, rows.values())) * options.epochs / seconds,
        "tokens_per_second": tokens / seconds,
        "flops_per_second": training_flops(config, lengths) * options.epochs / seconds,
        "peak_memory_mb": peak_memory_mb(available_device()),
    }


def run_ours(recipe: Recipe, tokens: int) -> Figures:
    """Train as ``minbert train`` does; a run counts the seconds of its training steps itself."""
    with tempfile.TemporaryDirectory() as out:
        summary = train_recipe(recipe, Path(out) / "run", False, Display(Console(file=io.StringIO())))
    seconds = summary.metrics["train_seconds"]
    counted = summary.metrics["real_tokens_per_second"] * seconds
    assert abs(counted / tokens - 1) < 0.01, f"the run read {counted:.0f} tokens; its rows have {tokens}"
    return {"seconds": seconds}


def run_peer(contestant: Contestant, recipe: Recipe, options: argparse.Namespace, precision: Precision) -> Figures:
    """Train as a peer does, on the recipe's rows and from its encoder's weights."""
    folder = find_encoder(options.encoder).folder
    rows = training_rows(recipe)
    batch = options.batch * (len(rows) if contestant.wide else 1)
    if contestant.design == "course":
        from course import CourseTraining

        training = CourseTraining(folder, rows, batch, options.seed, contestant.tuned, precision == "bf16")
        return training.run(options.epochs, LEARNING_RATE)
    from trainers import Settings, run_sentence_transformers, run_trainer

    run = run_trainer if contestant.design == "trainer" else run_sentence_transformers
    return run(folder, rows, Settings(batch, options.epochs, LEARNING_RATE, options.seed, contestant.tuned, precision))


def report(runs: dict[str, list[Figures]], described: Figures, options: argparse.Namespace, console: Console) -> None:
    """Print the table and write the JSON."""
    found = {name: medians(repeats) for name, repeats in runs.items()}
    for figures in found.values():
        figures["share_of_peak"] = figures["flops_per_second"] / described[f"peak_flops_{figures['precision']}"]
    ratios = {}
    for name, repeats in runs.items():
        rival = CONTESTANTS[name]
        for ours in ("ours", "ours fp32") if rival.tasks == ALL else ("ours on pairs", "ours on pairs fp32"):
            if rival.design != "ours" and ours in runs:
                ratios[f"{name} / {ours}"] = median_ratio(repeats, runs[ours], "seconds")
    show_machine(console, described, options.repeats)
    columns = {
        "name": "training",
        "precision": "precision",
        "seconds": "seconds",
        "rows_per_second": "rows/s",
        "tokens_per_second": "real tokens/s",
        "share_of_peak": "share of peak",
        "peak_memory_mb": "peak MB",
    }
    what = f"{options.rows} rows a task, batch {options.batch} a task, medians of {options.repeats} runs"
    show(console, what, columns, [{"name": name, **figures} for name, figures in found.items()])
    rows = [{"ratio": name, "value": value} for name, value in ratios.items()]
    show(console, "seconds of a peer / seconds of ours", {"ratio": "ratio", "value": "median"}, rows)
    ours, peers = (
        {name: figures for name, figures in found.items() if (CONTESTANTS[name].design == "ours") == mine}
        for mine in (True, False)
    )
    write_figures(options, ratios, ours, peers, described)


if __name__ == "__main__":
    sys.exit(main())
