"""How our cost grows: with tokens, length, width and depth, family, tasks, surgery; frozen mode, start-up, memory.

    python benchmarks/scaling.py --repeats 5 --json scaling.json
    python benchmarks/scaling.py --only tokens length

Every point is a run of ``minbert train``'s own path in a process of its own, on texts of equal length and (but for the
shapes) a small random encoder. A run is scored twice, and what is told is the half between: it begins warm. What each
subject shows is in docs/performance.md.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from common import (
    Figures,
    add_common_options,
    in_a_process,
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
from minbert.encoder.architectures import Architecture
from minbert.encoder.config_file import read_config
from minbert.encoder.encoder import Encoder
from minbert.encoder.sources import find_encoder, save_encoder, save_tokenizer
from minbert.files.json_text import read_json
from minbert.machine.device import available_device
from minbert.machine.precision import chosen_precision
from minbert.recipe.recipe import parse_recipe
from minbert.running.run import train_recipe
from minbert.text.tokenizer import Tokenizer
from texts import TextGenerator, vocabulary_words

SHAPES = {
    "MiniLM-L6 (6 x 384)": (384, 6, 12),
    "MiniLM-L12 (12 x 384)": (384, 12, 12),
    "6 x 768": (768, 6, 12),
    "BERT-base (12 x 768)": (768, 12, 12),
}
FAMILIES = ("bert", "roberta", "mpnet", "modernbert")
FOR_GPUS = "large steps"
"""The subject that is only measured where it is asked for: a CPU takes minutes for one of its steps."""
START_UP = {
    "python -c pass": ["-c", "pass"],
    "import minbert": ["-c", "import minbert"],
    "minbert --help": ["-c", "from minbert.cli.main import app; app(['--help'])"],
}

Point = dict[str, Any]
"""What a run is asked for; see ``train_point``. What is left out, ``USUAL`` says."""
USUAL: Point = {
    "family": "bert", "length": 32, "rows": 32, "tasks": 1, "combination": "sum", "encoder": "finetuned", "budget": 8192
}  # fmt: skip


def points() -> dict[str, dict[str, Point]]:
    """Return the points of every subject, the one that the others are divided by first."""
    return {
        "tokens": {f"{tokens} tokens": {"rows": tokens // 32} for tokens in (1024, 256, 512, 2048, 4096, 8192)},
        "length": {
            f"length {length}": {"length": length, "rows": 4096 // length} for length in (32, 8, 16, 64, 128, 256, 512)
        },
        "shape": {name: {"shape": name} for name in SHAPES},
        "family": {
            f"{family}, length {length}": {
                "family": family,
                "length": length,
                "rows": 2048 // length,
                "shape": "MiniLM-L6 (6 x 384)",
            }
            for length in (32, 128, 512)
            for family in FAMILIES
        },
        "tasks": {f"{tasks} tasks": {"tasks": tasks, "rows": 8} for tasks in (1, 2, 4, 8, 16)},
        "surgery": {
            f"{tasks} x {rows} rows, {combination}": {
                "tasks": tasks,
                "rows": rows,
                "combination": combination,
                "shape": "MiniLM-L6 (6 x 384)",
            }
            for tasks, rows in ((3, 32), (2, 32), (4, 32), (8, 32), (3, 8))
            for combination in ("sum", "pcgrad")
        },
        "frozen": {encoder: {"encoder": encoder, "rows": 64} for encoder in ("finetuned", "frozen")},
        "memory": {f"budget {budget}": {"rows": 512, "budget": budget} for budget in (8192, 1024, 2048, 4096, 16384)},
        FOR_GPUS: {
            f"{shape}, {tokens} tokens": {"shape": shape, "length": 128, "rows": tokens // 128, "budget": tokens}
            for shape in ("MiniLM-L6 (6 x 384)", "BERT-base (12 x 768)")
            for tokens in (65_536, 1024, 8192)
        },
        "start-up": {name: {"start_up": name} for name in START_UP},
    }


def main() -> None:
    """Measure all subjects, or with ``--one`` one point."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    if options.one is not None:
        print(json.dumps(measure(points()[options.one][options.point], options)))
        return
    console = wide_console()
    described = machine(options.threads, available_device(), options.peak_size)
    show_machine(console, described, options.repeats)
    ratios: Figures = {}
    ours: Figures = {}
    for subject in options.only or [name for name in points() if name != FOR_GPUS]:
        runs = interleaved(
            list(points()[subject]), options.repeats, lambda name, subject=subject: one(subject, name, options), console
        )
        ours[subject], ratios[subject] = report(subject, runs, described, console)
    write_figures(options, ratios, ours, {}, described)


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_options(options, list(points()), texts=False)
    options.add_argument("--steps", type=int, default=8, help="steps that are timed, after as many that warm up")
    options.add_argument("--point", help=argparse.SUPPRESS)
    return options


def one(subject: str, point: str, options: argparse.Namespace) -> Figures:
    """Measure one point in a process of its own; of start-up time, a whole process."""
    same = [f"--{key}={getattr(options, key)}" for key in ("steps", "threads", "encoder", "seed")]
    return in_a_process(__file__, [f"--one={subject}", f"--point={point}", *same], options.threads)


def measure(point: Point, options: argparse.Namespace) -> Figures:
    """Return what a point took."""
    if "start_up" in point:
        return start_up(START_UP[point["start_up"]])
    with tempfile.TemporaryDirectory() as folder:
        return train_point(USUAL | point, Path(folder), options)


def start_up(arguments: list[str]) -> Figures:
    """Return how long a process of Python lives: the least of three, so that files are in the page cache."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return {"seconds": min(seconds)}


def write_point(point: Point, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Write an encoder, and ``tasks`` tasks of five classes; return the recipe's tree for ``2 * steps`` steps.

    Args:
        point: texts have ``length`` tokens, special ones counted, and a step ``rows`` rows of each task; ``budget`` is
            the recipe's ``tokens_per_microbatch``, ``encoder`` its ``training.encoder``, ``shape`` a key of
            ``SHAPES``, ``family`` one of ``FAMILIES``, at BERT's rates of dropout.
        folder: empty; encoder and files go there.
        options: ``steps``, the tokenizer's ``encoder``, ``seed``.
    """
    hidden, layers, heads = SHAPES[point["shape"]] if "shape" in point else (384, 2, 12)
    files = find_encoder(options.encoder)
    vocabulary = read_config(read_json(files.config), files.config).vocabulary_size
    config = Architecture.members[point["family"]].config_class(
        model_type=point["family"],
        vocabulary_size=vocabulary,
        hidden_size=hidden,
        layers=layers,
        attention_heads=heads,
        intermediate_size=4 * hidden,
        max_positions=514,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        padding_id=1,
    )
    (folder / "encoder").mkdir()
    torch.manual_seed(options.seed)
    encoder = Encoder(config)
    save_encoder(encoder, folder / "encoder")
    save_tokenizer(Tokenizer.from_files(files.folder), encoder, folder / "encoder")
    rows = 2 * options.steps * point["rows"]
    generator = TextGenerator(vocabulary_words(options.encoder), options.seed)
    tasks = {}
    for number in range(point["tasks"]):
        for split, count in (("train", rows), ("dev", 5)):
            texts = generator.texts([point["length"] - 2] * count)
            lines = ["text\tlabel", *(f"{text}\t{row % 5}" for row, text in enumerate(texts))]
            (folder / f"{number}-{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        names = {split: f"{number}-{split}.tsv" for split in ("train", "dev")}
        tasks[f"task{number}"] = {
            "kind": "classification", "classes": 5, "files": names, "text": "text", "label": "label"
        }  # fmt: skip
    return {
        "data": str(folder),
        "seed": options.seed,
        "encoder": {"name": str(folder / "encoder")},
        "tasks": tasks,
        "schedule": {"batch_size": point["rows"]},
        "combination": point["combination"],
        "training": {
            "encoder": point["encoder"],
            "epochs": 1,
            "evaluate_every": options.steps,
            "tokens_per_microbatch": point["budget"],
        },
    }


def train_point(point: Point, folder: Path, options: argparse.Namespace) -> Figures:
    """Train on what ``write_point`` writes into ``folder``, and return what a step took."""
    recipe = parse_recipe(write_point(point, folder, options), "benchmarks/scaling.py")
    files = find_encoder(recipe.encoder.name)
    config = read_config(read_json(files.config), files.config)
    started = time.perf_counter()
    train_recipe(recipe, folder / "run", False, Display(Console(file=io.StringIO())))
    whole = time.perf_counter() - started
    history = [json.loads(line) for line in (folder / "run/history.jsonl").read_text(encoding="utf-8").splitlines()]
    seconds = (history[-1]["seconds"] - history[-2]["seconds"]) / options.steps
    sequences = point["rows"] * point["tasks"]
    tokens = sequences * point["length"]
    flops = training_flops(config, [point["length"]] * sequences)
    return {
        "seconds": seconds,
        "whole_run_seconds": whole,
        "tokens": tokens,
        "tokens_per_second": tokens / seconds,
        "nanoseconds_per_token": 1e9 * seconds / tokens,
        "flops_per_second": flops / seconds,
        "seconds_per_teraflop": 1e12 * seconds / flops,
        "precision": chosen_precision(recipe.training.precision),
        "peak_memory_mb": peak_memory_mb(available_device()),
    }


def report(
    subject: str, runs: dict[str, list[Figures]], described: Figures, console: Console
) -> tuple[Figures, Figures]:
    """Print a subject's table; return its medians and its ratios.

    A ratio is of the cost of a real token over that at the subject's first point, where 1 is linear growth; of surgery
    over the plain sum for as many tasks; of families, of the cost of an operation over BERT's at that length; of
    start-up times and frozen mode, of the seconds themselves.
    """
    found = {name: medians(repeats) for name, repeats in runs.items()}
    by_token = subject not in ("start-up", "frozen")
    first = next(iter(runs))
    under = dict.fromkeys(runs, first)
    key = "nanoseconds_per_token" if by_token else "seconds"
    if subject == "surgery":
        under = {name: name.replace("pcgrad", "sum") for name in runs}
    elif subject == "family":
        under, key = {name: "bert," + name.partition(",")[2] for name in runs}, "seconds_per_teraflop"
    ratios = {name: median_ratio(repeats, runs[under[name]], key) for name, repeats in runs.items()}
    for name, figures in found.items():
        figures["ratio"] = ratios[name]
        if by_token:
            figures["share_of_peak"] = figures["flops_per_second"] / described[f"peak_flops_{figures['precision']}"]
    columns = {
        "name": subject,
        "seconds": "seconds" if subject == "start-up" else "seconds a step",
        "ratio": "ratio of an operation's cost"
        if subject == "family"
        else "ratio of a token's cost"
        if by_token
        else "ratio",
    }
    if subject != "start-up":
        columns |= {"tokens": "tokens a step", "tokens_per_second": "real tokens/s", "share_of_peak": "share of peak"}
        columns |= {"whole_run_seconds": "whole run", "peak_memory_mb": "peak MB"}
    show(console, subject, columns, [{"name": name, **figures} for name, figures in found.items()])
    return found, ratios


if __name__ == "__main__":
    sys.exit(main())
