"""Sentence vectors and predictions: ours against sentence-transformers, transformers' pipeline and onnxruntime.

    python benchmarks/inference.py --rows 1024 --repeats 5 --json inference.json
    python benchmarks/inference.py --rows 2021 --data DIR --what bi cross

Everybody starts from texts and ends with fp32 numbers, with the same weights; all outputs are compared. What is
compared, and why that is fair, is in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from rich.console import Console

from answering import Contestant, What, answerer, our_model
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
    wide_console,
    write_figures,
)
from minbert.machine.allocator import keep_memory
from minbert.machine.device import available_device
from minbert.multitask.model import Text
from texts import DEV_ROWS, benchmark_recipe, rows_of, write_generated

WARMING = 64
"""Texts that everybody answers before the clock starts."""

CONTESTANTS = {
    "ours, encode": Contestant("ours", "encode"),
    "ours, encode, bf16": Contestant("ours", "encode", "bf16"),
    "exported, encode": Contestant("exported", "encode"),
    "sentence-transformers": Contestant("sentence-transformers", "encode"),
    "sentence-transformers, bf16": Contestant("sentence-transformers", "encode", "bf16"),
    "sentence-transformers, bf16, batch 64": Contestant("sentence-transformers", "encode", "bf16", 64),
    "sentence-transformers, bf16, batch 256": Contestant("sentence-transformers", "encode", "bf16", 256),
    "onnxruntime": Contestant("onnxruntime", "encode"),
    "ours, predict": Contestant("ours", "predict"),
    "ours, predict, bf16": Contestant("ours", "predict", "bf16"),
    "exported, predict": Contestant("exported", "predict"),
    "pipeline": Contestant("pipeline", "predict"),
    "pipeline, bf16, batch 64": Contestant("pipeline", "predict", "bf16", 64),
    "pipeline, bf16, batch 256": Contestant("pipeline", "predict", "bf16", 256),
    "onnxruntime, predict": Contestant("onnxruntime", "predict"),
    "ours, bi": Contestant("ours", "bi"),
    "ours, bi, bf16": Contestant("ours", "bi", "bf16"),
    "exported, bi": Contestant("exported", "bi"),
    "sentence-transformers, bi": Contestant("sentence-transformers", "bi"),
    "sentence-transformers, bi, bf16": Contestant("sentence-transformers", "bi", "bf16"),
    "sentence-transformers, bi, bf16, batch 256": Contestant("sentence-transformers", "bi", "bf16", 256),
    "onnxruntime, bi": Contestant("onnxruntime", "bi"),
    "ours, cross": Contestant("ours", "cross"),
    "ours, cross, bf16": Contestant("ours", "cross", "bf16"),
    "exported, cross": Contestant("exported", "cross"),
    "pipeline, cross": Contestant("pipeline", "cross"),
    "pipeline, cross, bf16, batch 64": Contestant("pipeline", "cross", "bf16", 64),
    "onnxruntime, cross": Contestant("onnxruntime", "cross"),
}
NEEDS = {
    "exported": ["onnxruntime", "onnx", "onnxscript"],
    "sentence-transformers": ["sentence_transformers"],
    "pipeline": ["transformers"],
    "onnxruntime": ["onnxruntime", "onnx", "onnxscript", "transformers"],
}

TOLERANCES = {
    "encode": {"fp32": 1e-5, "bf16": 5e-3},
    "predict": {"fp32": 1e-4, "bf16": 0.05},
    "bi": {"fp32": 1e-4, "bf16": 0.02},
    "cross": {"fp32": 1e-4, "bf16": 0.05},
}
"""How far outputs may be from ours in fp32, the worst text or pair: 1 - cosine of vectors, else the number itself."""

TITLES = {
    "encode": "texts to sentence vectors",
    "predict": "texts to probabilities",
    "bi": "pairs to the cosine of their texts' vectors",
    "cross": "pairs to probabilities, joined into one sequence",
}


def main() -> None:
    """Measure everybody, or with ``--one`` one of them."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    if options.one is not None:
        print(json.dumps(measure(options)))
        return
    console = wide_console()
    described = machine(options.threads, available_device(), options.peak_size)
    asked = options.only or [name for name, who in CONTESTANTS.items() if who.what in options.what]
    missing = {who.design for who in CONTESTANTS.values() if not installed(who.design, NEEDS, Console(quiet=True))}
    for design in sorted(missing & {CONTESTANTS[name].design for name in asked}):
        installed(design, NEEDS, console)
    names = [name for name in asked if CONTESTANTS[name].design not in missing]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if options.data is None:
            write_generated(place, options.rows, options.encoder, options.seed, dev_rows=max(DEV_ROWS, options.rows))
        data = options.data or place
        runs = interleaved(names, options.repeats, lambda name: one(name, data, place, options), console)
        differences = {name: difference(place, name) for name in names}
    report(runs, differences, described, options, console)


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_options(options, list(CONTESTANTS))
    options.add_argument("--what", nargs="+", choices=get_args(What), default=get_args(What), help="measure these")
    options.add_argument("--rows", type=int, default=1024, help="rows of each task whose texts are answered; pairs")
    options.add_argument("--repeated", type=float, default=0.0, help="share of the texts that repeat another")
    options.add_argument("--outputs", type=Path, help=argparse.SUPPRESS)
    return options


def one(name: str, data: Path, outputs: Path, options: argparse.Namespace) -> Figures:
    """Measure one contestant in a process of its own."""
    same = [f"--{key}={getattr(options, key)}" for key in ("rows", "repeated", "threads", "encoder", "seed")]
    return in_a_process(__file__, [f"--one={name}", f"--data={data}", f"--outputs={outputs}", *same], options.threads)


def measure(options: argparse.Namespace) -> Figures:
    """Answer all texts as one contestant does; keep the outputs and return what it took."""
    contestant = CONTESTANTS[options.one]
    texts = chosen_texts(options, contestant.what)
    model = our_model(options.encoder, options.seed)
    encoded = [0]
    if contestant.design == "ours":
        model.encoder.register_forward_pre_hook(partial(_count_sequences, encoded))
    elif contestant.batch is not None:
        keep_memory()
    answer = answerer(contestant, model, options.encoder)
    answer(texts[:WARMING])
    encoded[0] = 0
    started = time.perf_counter()
    outputs = answer(texts)
    seconds = time.perf_counter() - started
    np.save(options.outputs / f"{file_name(options.one)}.npy", outputs)
    distinct = len(set(chain.from_iterable(texts) if contestant.what == "bi" else texts))
    if contestant.design == "ours" and encoded[0] != distinct:
        raise SystemExit(f"{encoded[0]} sequences went through the encoder for {distinct} distinct ones")
    read = model.sequences("predict" if contestant.what == "encode" else contestant.what, texts).row_lengths()
    return {
        "seconds": seconds,
        "texts": len(texts),
        "encoded": encoded[0] or len(texts) * (2 if contestant.what == "bi" else 1),
        "texts_per_second": len(texts) / seconds,
        "tokens_per_second": int(read.sum()) / seconds,
        "peak_memory_mb": peak_memory_mb(available_device()),
    }


def chosen_texts(options: argparse.Namespace, what: What) -> Sequence[Text]:
    """Return what is answered, in random order, a share of it replaced by others of it.

    Pairs are the dev rows of the paraphrase task; texts all those of all tasks' training rows.
    """
    more = {"tasks__paraphrase__dev_rows": None}
    rows = rows_of(benchmark_recipe(options.data, options.rows, 1, 32, encoder__name=options.encoder, **more))
    if what in ("bi", "cross"):
        texts: Sequence[Text] = rows["dev", "paraphrase"].texts[: options.rows]
    else:
        columns = [(split.first, split.second or []) for (part, _), split in rows.items() if part == "train"]
        texts = list(chain.from_iterable(chain.from_iterable(columns)))
    random = np.random.default_rng(options.seed)
    order = random.permutation(len(texts))
    kept = max(1, round(len(texts) * (1 - options.repeated)))
    order[kept:] = random.choice(order[:kept], size=len(texts) - kept)
    return [texts[number] for number in random.permutation(order)]


def difference(place: Path, name: str) -> float | None:
    """Return how far a contestant's outputs are from ours in fp32, the worst text; None where ours did not run."""
    what = CONTESTANTS[name].what
    reference = place / f"{file_name(f'ours, {what}')}.npy"
    if not reference.is_file():
        return None
    ours, theirs = np.load(reference).astype(np.float64), np.load(place / f"{file_name(name)}.npy").astype(np.float64)
    if what != "encode":
        return float(np.abs(ours - theirs).max())
    ours, theirs = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (ours, theirs))
    return float(1 - (ours * theirs).sum(1).min())


def report(
    runs: dict[str, list[Figures]],
    differences: dict[str, float | None],
    described: Figures,
    options: argparse.Namespace,
    console: Console,
) -> None:
    """Print the tables and write the JSON.

    Raises:
        SystemExit: outputs are too far from ours, so speeds mean nothing.
    """
    found = {name: medians(repeats) for name, repeats in runs.items()}
    wrong = []
    for name, figures in found.items():
        contestant = CONTESTANTS[name]
        figures |= {"difference": differences[name], "tolerance": TOLERANCES[contestant.what][contestant.precision]}
        if differences[name] is not None and not differences[name] <= figures["tolerance"]:
            wrong.append(name)
    ratios = {
        f"{name} / {ours}": median_ratio(repeats, runs[ours], "seconds")
        for name, repeats in runs.items()
        for ours in (f"ours, {CONTESTANTS[name].what}", f"ours, {CONTESTANTS[name].what}, bf16")
        if CONTESTANTS[name].design != "ours" and ours in runs
    }
    show_machine(console, described, options.repeats)
    columns = {
        "name": "answering",
        "seconds": "seconds",
        "texts_per_second": "texts or pairs/s",
        "tokens_per_second": "real tokens/s",
        "encoded": "encoded",
        "peak_memory_mb": "peak MB",
        "difference": "difference",
        "tolerance": "tolerance",
    }
    for what, title in TITLES.items():
        rows = [{"name": name, **figures} for name, figures in found.items() if CONTESTANTS[name].what == what]
        if rows:
            show(console, f"{rows[0]['texts']} {title}, medians of {options.repeats} runs", columns, rows)
    rows = [{"ratio": name, "value": value} for name, value in ratios.items()]
    show(console, "seconds of a peer / seconds of ours", {"ratio": "ratio", "value": "median"}, rows)
    parts = [
        {name: figures for name, figures in found.items() if (CONTESTANTS[name].design == "ours") == ours}
        for ours in (True, False)
    ]
    write_figures(options, ratios, *parts, described)
    if wrong:
        raise SystemExit(f"outputs differ by more than the tolerance: {'; '.join(wrong)}")


def file_name(name: str) -> str:
    """Return a contestant's name as a file's."""
    return name.replace(", ", "-").replace(" ", "-")


def _count_sequences(counter: list[int], _: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
    counter[0] += len(arguments[0].lengths)


if __name__ == "__main__":
    sys.exit(main())
