"""What all benchmarks share: interleaved runs in processes of their own, medians, the machine, tables and JSON."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from minbert.encoder.architectures import architecture_of
from minbert.encoder.config import EncoderConfig

ENOUGH_REPEATS = 5
"""Identical code varied by a third from one minute to the next on the machine this was written on."""

FIRST_PRODUCT = 256
"""Side of the matrices whose product tells how large the one may be whose rate is the peak."""
LONGEST_PRODUCT = 10.0
"""Seconds. Of 4,096 squared one takes 3 at 40 GFLOP/s, and 200 at 0.7, as where bf16 is emulated."""

Figures = dict[str, Any]
"""What one run found: numbers (and a few words) by name."""


def add_common_options(options: argparse.ArgumentParser, names: Sequence[str], texts: bool = True) -> None:
    """Add the options that benchmarks share; ``names`` are what ``--only`` chooses from.

    Without ``texts`` there is no ``--data``: the benchmark's texts are its subject, so it makes them itself.
    """
    options.add_argument("--repeats", type=int, default=ENOUGH_REPEATS, help="interleaved runs of each")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    if texts:
        options.add_argument("--data", type=Path, help="folder with the course's files; else texts are made up")
    options.add_argument("--encoder", default="minilm", help="'minilm' or a folder that transformers reads too")
    options.add_argument("--seed", type=int, default=11711)
    options.add_argument("--peak-size", type=int, default=4096, help="side of the matrices whose product is the peak")
    options.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="measure these: " + "; ".join(names))
    options.add_argument("--json", type=Path, help="write the figures there")
    options.add_argument("--one", choices=names, help=argparse.SUPPRESS)


def installed(design: str, needs: Mapping[str, Sequence[str]], console: Console) -> bool:
    """Return whether the packages that a design needs are there; say so where they are not."""
    missing = [package for package in needs.get(design, []) if importlib.util.find_spec(package) is None]
    if missing:
        console.print(f"left out: {design}; it needs {', '.join(missing)} (pip install 'minbert[benchmarks]')")
    return not missing


def interleaved(
    names: Sequence[str], repeats: int, run: Callable[[str], Figures], console: Console
) -> dict[str, list[Figures]]:
    """Run every name once, then all again, ``repeats`` times, so that a slow minute of the machine hits all alike."""
    found: dict[str, list[Figures]] = {name: [] for name in names}
    for repeat in range(repeats):
        for name in names:
            with console.status(f"round {repeat + 1} of {repeats}: {name}"):
                found[name].append(run(name))
    return found


def in_a_process(script: str, arguments: Sequence[str], threads: int) -> Figures:
    """Run a benchmark's script in a process of its own and return what the last line it prints says, as JSON.

    Raises:
        SystemExit: it failed; what it wrote to stderr has been shown.
    """
    variables = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"}
    variables |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}  # nobody waits for a network
    command = [sys.executable, script, *arguments]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr[-4000:])
        raise SystemExit(f"{' '.join(command)}: failed with {done.returncode}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def medians(runs: Sequence[Figures]) -> Figures:
    """Return the median of each number over several runs; of anything else, what the first run says."""
    first = runs[0]
    return {
        key: statistics.median(run[key] for run in runs) if _is_number(value) else value for key, value in first.items()
    }


def median_ratio(over: Sequence[Figures], under: Sequence[Figures], key: str) -> float:
    """Return the median over the rounds of the ratio within a round: what drifts from round to round cancels."""
    return statistics.median(a[key] / b[key] for a, b in zip(over, under, strict=True))


def encoder_flops(config: EncoderConfig, length: int) -> int:
    """Return the floating-point operations of the encoder's matrix products for one sequence of ``length`` tokens.

    A layer of width ``h`` has two a token for each weight of its linear maps (a multiplication and an addition): 8h^2 +
    4hi where its feed-forward part is ``i`` wide. Scores and contexts over ``n`` tokens have 4nh a token; what a window
    leaves out of them is counted, for ours computes it. Embeddings, norms, softmax and the pooler do not count.
    """
    shapes = architecture_of(config).projection_shapes(config).values()
    linear = 2 * sum(outputs * inputs for outputs, inputs in shapes)
    return config.layers * length * (linear + 4 * length * config.hidden_size)


def training_flops(config: EncoderConfig, lengths: Sequence[int]) -> int:
    """Return the same for training on sequences of these lengths: a backward pass has twice the forward's products."""
    return 3 * sum(encoder_flops(config, length) for length in lengths)


def matrix_product_peak(device: torch.device, dtype: torch.dtype, size: int, repeats: int = 5) -> float:
    """Return the highest rate of a square matrix product of at most ``size`` seen in some repeats, in FLOP/s.

    Where a small product tells that one of ``size`` would take more than ``LONGEST_PRODUCT`` seconds, the matrices are
    halved until it does not.
    """
    rate = _product_rate(device, dtype, min(size, FIRST_PRODUCT), 1)
    while size > FIRST_PRODUCT and 2 * size**3 / rate > LONGEST_PRODUCT:
        size //= 2
    return _product_rate(device, dtype, size, repeats)


def _product_rate(device: torch.device, dtype: torch.dtype, size: int, repeats: int) -> float:
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    left @ right
    seconds = []
    for _ in range(repeats):
        synchronize(device)
        started = time.perf_counter()
        left @ right
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds)


def synchronize(device: torch.device) -> None:
    """Wait for a GPU; a CPU is never behind."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory_mb(device: torch.device) -> float:
    """Return the most memory this process has held so far, in MB (10^6 bytes): the GPU's where there is one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def machine(threads: int, device: torch.device, peak_size: int) -> Figures:
    """Return what the figures were measured on, its measured matrix-product peaks included."""
    torch.set_num_threads(threads)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")  # before the peaks add to it
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "threads": threads,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "peak_flops_fp32": matrix_product_peak(device, torch.float32, peak_size),
        "peak_flops_bf16": matrix_product_peak(device, torch.bfloat16, peak_size),
        "peak_size": peak_size,
    }


def wide_console() -> Console:
    """Return a console that has room for the tables, also where there is no terminal to ask for its width."""
    return Console(width=max(140, Console().width))


def show(console: Console, title: str, columns: Mapping[str, str], rows: Sequence[Figures]) -> None:
    """Print a table: ``columns`` maps keys of the rows to headings."""
    table = Table(title=title, title_justify="left")
    for index, heading in enumerate(columns.values()):
        table.add_column(heading, justify="left" if index == 0 else "right", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(shown(row.get(key)) for key in columns))
    console.print(table)


def shown(value: Any) -> str:
    """Return a figure as a table shows it: three digits are more than a stopwatch knows."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def show_machine(console: Console, described: Figures, repeats: int) -> None:
    """Print what was measured on, and warn where the figures mean little."""
    peaks = ", ".join(f"{name} {described[f'peak_flops_{name}'] / 1e9:,.0f}" for name in ("fp32", "bf16"))
    console.print(
        f"{described['device']}, {described['threads']} threads, torch {described['torch']}; "
        f"matrix products at most {peaks} GFLOP/s",
        highlight=False,
    )
    if repeats < ENOUGH_REPEATS:
        console.print(f"[yellow]Fewer than {ENOUGH_REPEATS} repeats: this is a trial, not a measurement.[/yellow]")
    if described["load_before"] > 0.5:
        console.print(f"[yellow]The machine was not idle (load {described['load_before']}).[/yellow]")


def write_figures(
    options: argparse.Namespace, ratios: Figures, ours: Figures, peers: Figures, described: Figures
) -> None:
    """Write ``{"ratios", "ours", "peers", "machine", "settings"}`` where ``--json`` says."""
    if options.json is not None:
        settings = {key: value for key, value in vars(options).items() if key not in ("json", "one")}
        found = {"ratios": ratios, "ours": ours, "peers": peers, "machine": described, "settings": settings}
        options.json.write_text(json.dumps(found, indent=2, default=str) + "\n", encoding="utf-8")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def processor() -> str:
    """Return what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
