"""Sentence vectors and predictions: ours against sentence-transformers' ``encode`` and transformers' pipeline.

    python benchmarks/inference.py --rows 1024 --repeats 5 --json inference.json

Everybody starts from texts and ends with fp32 numbers, with the same weights; all outputs are compared. What is
compared, and why that is fair, is in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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
    write_figures,
)
from minbert.encoder.allocator import keep_freed_memory
from minbert.encoder.sources import find_encoder, load_encoder
from minbert.multitask.model import MultitaskModel
from minbert.prepare import available_device
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer
from texts import benchmark_recipe, training_rows, write_generated

Outputs = NDArray[np.float32]
TASK = "sentiment"
WARMING = 64
"""Texts that everybody answers before the clock starts."""


@dataclass(frozen=True)
class Contestant:
    """Somebody who answers."""

    design: str
    """ours, sentence-transformers or pipeline."""
    what: str
    """encode: sentence vectors; predict: the probabilities of five classes."""
    precision: str = "fp32"
    batch: int | None = None
    """Texts a batch of a peer; its own default where not given."""


CONTESTANTS = {
    "ours, encode": Contestant("ours", "encode"),
    "ours, encode, bf16": Contestant("ours", "encode", "bf16"),
    "sentence-transformers": Contestant("sentence-transformers", "encode"),
    "sentence-transformers, bf16": Contestant("sentence-transformers", "encode", "bf16"),
    "sentence-transformers, bf16, batch 64": Contestant("sentence-transformers", "encode", "bf16", 64),
    "sentence-transformers, bf16, batch 256": Contestant("sentence-transformers", "encode", "bf16", 256),
    "ours, predict": Contestant("ours", "predict"),
    "ours, predict, bf16": Contestant("ours", "predict", "bf16"),
    "pipeline": Contestant("pipeline", "predict"),
    "pipeline, bf16, batch 64": Contestant("pipeline", "predict", "bf16", 64),
    "pipeline, bf16, batch 256": Contestant("pipeline", "predict", "bf16", 256),
}
NEEDS = {"sentence-transformers": ["sentence_transformers"], "pipeline": ["transformers"]}

TOLERANCES = {("encode", "fp32"): 1e-5, ("encode", "bf16"): 5e-3, ("predict", "fp32"): 1e-4, ("predict", "bf16"): 0.05}
"""How far outputs may be from ours in fp32: of vectors 1 - cosine, of predictions the probability; the worst text."""


def main() -> None:
    """Measure everybody, or with ``--one`` one of them."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    if options.one is not None:
        print(json.dumps(measure(options)))
        return
    console = Console()
    described = machine(options.threads, available_device(), options.peak_size)
    names = [name for name in options.only or CONTESTANTS if installed(CONTESTANTS[name].design, NEEDS, console)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if options.data is None:
            write_generated(place, options.rows, options.encoder, options.seed)
        data = options.data or place
        runs = interleaved(names, options.repeats, lambda name: one(name, data, place, options), console)
        differences = {name: difference(place, name) for name in names}
    report(runs, differences, described, options, console)


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_options(options, list(CONTESTANTS))
    options.add_argument("--rows", type=int, default=1024, help="rows of each task whose texts are answered")
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
    texts = chosen_texts(options)
    model = our_model(options.encoder, options.seed)
    encoded = [0]
    if contestant.design == "ours":
        model.encoder.register_forward_pre_hook(partial(_count_sequences, encoded))
        answer = our_answers(model, contestant)
    else:
        if contestant.batch is not None:
            keep_freed_memory()
        answer = {"sentence-transformers": sentence_vectors, "pipeline": pipeline_answers}[contestant.design](
            model, contestant, options.encoder
        )
    answer(texts[:WARMING])
    encoded[0] = 0
    started = time.perf_counter()
    outputs = answer(texts)
    seconds = time.perf_counter() - started
    np.save(options.outputs / f"{file_name(options.one)}.npy", outputs)
    tokenized = [tuple(ids) for ids in model.tokenizer.token_ids(texts)]
    if contestant.design == "ours" and encoded[0] > len(set(tokenized)):
        raise SystemExit(f"{encoded[0]} sequences went through the encoder for {len(set(tokenized))} distinct ones")
    tokens = sum(len(ids) + 2 for ids in tokenized)
    return {
        "seconds": seconds,
        "texts": len(texts),
        "distinct": len(set(texts)),
        "encoded": encoded[0] or len(texts),
        "texts_per_second": len(texts) / seconds,
        "tokens_per_second": tokens / seconds,
        "peak_memory_mb": peak_memory_mb(available_device()),
    }


def chosen_texts(options: argparse.Namespace) -> list[str]:
    """Return the texts of all tasks' rows in random order, a share of them replaced by others of them."""
    rows = training_rows(benchmark_recipe(options.data, options.rows, 1, 32, encoder__name=options.encoder))
    texts = [text for split in rows.values() for text in [*split.first, *(split.second or [])]]
    random = np.random.default_rng(options.seed)
    order = random.permutation(len(texts))
    kept = max(1, round(len(texts) * (1 - options.repeated)))
    order[kept:] = random.choice(order[:kept], size=len(texts) - kept)
    return [texts[number] for number in random.permutation(order)]


def our_model(encoder: str, seed: int) -> MultitaskModel:
    """Return a model with a random head on the pooler's output, as BertForSequenceClassification has it."""
    torch.manual_seed(seed)
    tokenizer = Tokenizer.from_files(find_encoder(encoder).folder)
    task = TaskSettings.model_validate({"kind": "classification", "classes": 5, "pooling": "pooler"})
    model = MultitaskModel(load_encoder(encoder), tokenizer, {TASK: task}, max_length=512)
    torch.nn.init.normal_(model.head(TASK).get_submodule("linear").weight, std=0.2)  # far from all alike
    return model.to(available_device()).eval()


def our_answers(model: MultitaskModel, contestant: Contestant) -> Callable[[list[str]], Outputs]:
    """Return what answers texts by our public verbs."""
    if contestant.what == "encode":
        return lambda texts: model.encode(texts, precision=contestant.precision)
    return lambda texts: model.predict(TASK, texts, contestant.precision).probabilities.astype(np.float32)


def sentence_vectors(_: MultitaskModel, contestant: Contestant, encoder: str) -> Callable[[list[str]], Outputs]:
    """Return what answers texts by sentence-transformers; it sorts them by length itself."""
    from sentence_transformers import SentenceTransformer

    dtype = torch.bfloat16 if contestant.precision == "bf16" else torch.float32
    peer = SentenceTransformer(str(find_encoder(encoder).folder), model_kwargs={"dtype": dtype})
    peer.max_seq_length = 512
    more = {} if contestant.batch is None else {"batch_size": contestant.batch}
    return lambda texts: np.asarray(peer.encode(texts, show_progress_bar=False, **more), dtype=np.float32)


def pipeline_answers(model: MultitaskModel, contestant: Contestant, encoder: str) -> Callable[[list[str]], Outputs]:
    """Return what answers texts by transformers' pipeline; with a batch given, texts are sorted by length first."""
    from transformers import AutoTokenizer, BertForSequenceClassification, pipeline

    folder = find_encoder(encoder).folder
    dtype = torch.bfloat16 if contestant.precision == "bf16" else torch.float32
    peer = BertForSequenceClassification.from_pretrained(folder, num_labels=5, dtype=dtype)
    peer.classifier.load_state_dict(model.head(TASK).get_submodule("linear").state_dict())
    more: dict[str, Any] = {} if contestant.batch is None else {"batch_size": contestant.batch}
    classify = pipeline(
        "text-classification", peer, tokenizer=AutoTokenizer.from_pretrained(folder), device=available_device(), **more
    )

    def answer(texts: list[str]) -> Outputs:
        order = range(len(texts)) if contestant.batch is None else np.argsort([-len(text) for text in texts])
        found = np.empty((len(texts), 5), dtype=np.float32)
        for number, scores in zip(order, classify([texts[number] for number in order], top_k=None), strict=True):
            for score in scores:
                found[number, int(score["label"].removeprefix("LABEL_"))] = score["score"]
        return found

    return answer


def difference(place: Path, name: str) -> float | None:
    """Return how far a contestant's outputs are from ours in fp32, the worst text; None where ours did not run."""
    what = CONTESTANTS[name].what
    reference = place / f"{file_name(f'ours, {what}')}.npy"
    if not reference.is_file():
        return None
    ours, theirs = np.load(reference).astype(np.float64), np.load(place / f"{file_name(name)}.npy").astype(np.float64)
    if what == "predict":
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
        figures |= {"difference": differences[name], "tolerance": TOLERANCES[contestant.what, contestant.precision]}
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
        "texts_per_second": "texts/s",
        "tokens_per_second": "real tokens/s",
        "encoded": "encoded",
        "peak_memory_mb": "peak MB",
        "difference": "difference",
        "tolerance": "tolerance",
    }
    texts = next(iter(found.values()))
    what = f"{texts['texts']} texts, {texts['distinct']} distinct, medians of {options.repeats} runs"
    show(console, what, columns, [{"name": name, **figures} for name, figures in found.items()])
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
