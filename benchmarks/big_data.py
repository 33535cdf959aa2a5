"""How memory, the start and the way to a step grow with the text that is read: for pretraining and for training.

    python benchmarks/big_data.py --formats jsonl parquet txt csv --sizes 0.1 1
    python benchmarks/big_data.py --work train --formats csv --rows 100000 1000000
    python benchmarks/big_data.py --work train --formats jsonl --rows 30000 --characters 1650 --max-length 64

Files of made-up texts are written first; a tenth of the texts repeat others. Then each start is a process of its own:
the first finds an empty cache, the second what the first has left there. Each makes ready what ``minbert`` would
train on and packs steps of it; no model is trained. Memory is RssAnon, the pages of a process that no file stands for
(mapped files are read again when memory is short, so they are not growth), looked at twenty times a second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

import numpy as np
from rich.console import Console

from anonymous_memory import peak_anonymous
from common import Figures, in_a_process, show, wide_console
from minbert.data.row_writer import row_writer
from minbert.display.progress import Display
from minbert.pretraining.prepare import prepare_pretraining
from minbert.pretraining.recipe import parse_pretraining_recipe
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import make_learner, prepare
from texts import vocabulary_words

FORMATS = ("jsonl", "parquet", "txt", "csv")
STEPS = 200
SEEKS = 20

TRAINING = {
    "what": "rows of pairs",
    "file_mb": "file, MB",
    "first_start_s": "first start, s",
    "first_start_mb": "RssAnon, MB",
    "second_start_s": "second start, s",
    "second_start_mb": "RssAnon, MB",
    "steps_s": f"{STEPS} steps, s",
    "cache_mb": "cache, MB",
}

PRETRAINING = {
    "what": "texts",
    "texts": "distinct",
    "first_start_s": "first start, s",
    "first_start_mb": "RssAnon, MB",
    "second_start_s": "second start, s",
    "second_start_mb": "RssAnon, MB",
    "seek_s": "slowest seek, s",
    "steps_s": f"{STEPS} steps, s",
    "cache_mb": "cache, MB",
}


def main() -> None:
    """Measure what the command line asks for."""
    options = parser().parse_args()
    if options.one:
        print(json.dumps((train_once if options.work == "train" else pretrain_once)(Path(options.one), options)))
        return
    console = wide_console()
    rows = []
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    for form in options.formats:
        for size in options.rows if options.work == "train" else options.sizes:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                measured = train if options.work == "train" else pretrain
                rows.append(measured(Path(folder), form, size, options, console))
            show(console, options.work, TRAINING if options.work == "train" else PRETRAINING, rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", choices=("pretrain", "train"), default="pretrain")
    options.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    options.add_argument(
        "--sizes", nargs="+", type=float, default=[0.1, 1.0], help="GB (10^9 bytes) of text to pretrain on"
    )
    options.add_argument("--rows", nargs="+", type=int, default=[10**5, 10**6], help="rows to train on")
    options.add_argument("--characters", type=int, help="say each text to train on again and again until it is so long")
    options.add_argument("--max-length", type=int, default=512, help="tokens of a text that are trained on")
    options.add_argument("--tokens-per-step", type=int, help="cut steps by tokens instead of by texts")
    options.add_argument("--encoder", default="minilm")
    options.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options.add_argument("--folder", type=Path, help="where files and cache go; as large as five times the text")
    options.add_argument("--json", type=Path, help="write the figures there")
    options.add_argument("--one", help=argparse.SUPPRESS)
    return options


def pretrain(folder: Path, form: str, size: float, options: argparse.Namespace, console: Console) -> Figures:
    """Return the figures of a first and a second start over a file of this format, and so many GB of text."""
    with console.status(f"writing {size:g} GB of {form}"):
        write_texts(folder / f"texts.{form}", int(size * 1e9), vocabulary_words(options.encoder))
    arguments = ["--tokens-per-step", str(options.tokens_per_step)] if options.tokens_per_step else []
    return {"what": f"{size:g} GB, {form}"} | starts(folder / f"texts.{form}", arguments, options, console)


def starts(file: Path, arguments: list[str], options: argparse.Namespace, console: Console) -> Figures:
    """Return the figures of a first and a second start over ``file``."""
    os.environ["MINBERT_CACHE"] = str(file.parent / "cache")
    figures: Figures = {"file_mb": file.stat().st_size / 1e6}
    for number in ("first", "second"):
        with console.status(f"{file.name}: {number} start"):
            one = ["--one", str(file), "--encoder", options.encoder, *arguments]
            found = in_a_process(__file__, one, options.threads)
        figures |= {f"{number}_start_s": found.pop("start_s"), f"{number}_start_mb": found.pop("peak_mb")} | found
    cached = sum(path.stat().st_size for path in (file.parent / "cache").rglob("*") if path.is_file())
    return figures | {"cache_mb": cached / 1e6}


def pretrain_once(file: Path, options: argparse.Namespace) -> Figures:
    """Make a pretraining run over ``file`` ready, go to some of its steps, and pack others in a row."""
    tree = {
        "data": str(file.parent),
        "encoder": {"name": options.encoder},
        "corpora": {"texts": {"files": file.name} | ({} if file.suffix == ".txt" else {"column": "text"})},
        "training": {"tokens_per_step": options.tokens_per_step},
    }
    with peak_anonymous() as peak:
        started = time.perf_counter()
        prepared = prepare_pretraining(parse_pretraining_recipe(tree, "benchmark"), Display(Console(quiet=True)))
        start = time.perf_counter() - started
        course, train = prepared.course, prepared.texts.train
        total = course.total_steps
        seeks = []
        for step in random.Random(1).sample(range(total), SEEKS):
            started = time.perf_counter()
            train.pack(next(course.steps(step))[0])
            seeks.append(time.perf_counter() - started)
        started = time.perf_counter()
        for numbers, _ in islice(course.steps(total // 2), STEPS):
            train.pack(numbers)
        steps = time.perf_counter() - started
    return {"start_s": start, "peak_mb": max(peak), "seek_s": max(seeks), "steps_s": steps, "texts": len(train)}


def train(folder: Path, form: str, rows: int, options: argparse.Namespace, console: Console) -> Figures:
    """Return the figures of a first and a second start over so many rows of pairs."""
    with console.status(f"writing {rows:,} rows of {form}"):
        words = vocabulary_words(options.encoder)
        write_pairs(folder / f"train.{form}", rows, words, options.characters)
        write_pairs(folder / f"dev.{form}", 100, words, options.characters)
    arguments = ["--work", "train", "--max-length", str(options.max_length)]
    return {"what": f"{rows:,}, {form}"} | starts(folder / f"train.{form}", arguments, options, console)


def train_once(file: Path, options: argparse.Namespace) -> Figures:
    """Make a run over pairs ready, and pack steps of it."""
    task = {
        "kind": "binary",
        "files": {"train": file.name, "dev": f"dev{file.suffix}"},
        "id": "id",
        "text": ["first", "second"],
        "label": "label",
    }
    encoder = {"name": options.encoder, "max_length": options.max_length}
    tree = {"data": str(file.parent), "encoder": encoder, "tasks": {"pairs": task}}
    recipe, display = parse_recipe(tree, "benchmark"), Display(Console(quiet=True))
    with peak_anonymous() as peak:
        started = time.perf_counter()
        prepared = prepare(recipe, display)
        make_learner(recipe, prepared, display)
        start = time.perf_counter() - started
        sequences = prepared.train["pairs"].sequences
        started = time.perf_counter()
        for step, _ in islice(prepared.course.steps(), STEPS):
            sequences.pack(sequences.of(step["pairs"]))
        steps = time.perf_counter() - started
    return {"start_s": start, "peak_mb": max(peak), "steps_s": steps}


def write_texts(path: Path, size: int, words: list[str]) -> None:
    """Write made-up texts of ``size`` bytes together, in the format that the name says."""
    with writer(path) as write:
        written = 0
        for texts in made_up_texts(words):
            write(texts)
            written += sum(map(len, texts))
            if written >= size:
                return


def made_up_texts(words: list[str], at_once: int = 100_000) -> Iterator[list[str]]:
    """Yield texts of three phrases each, for ever; a tenth of them have come before."""
    drawn = np.random.default_rng(1)
    phrases = [" ".join(drawn.choice(words, size=drawn.integers(2, 14))) for _ in range(20_000)]
    former: list[str] = []
    while True:
        texts = [" ".join([phrases[n] for n in three]) for three in drawn.integers(len(phrases), size=(at_once, 3))]
        if former:
            places = drawn.integers(at_once, size=(2, at_once // 10))
            for here, there in places.T.tolist():
                texts[here] = former[there]
        else:
            former = texts
        yield texts


def write_pairs(path: Path, rows: int, words: list[str], characters: int | None) -> None:
    """Write rows of made-up pairs with an id and a label; each text again and again until it has ``characters``."""
    made = chain.from_iterable(made_up_texts(words))
    with row_writer(path, dict.fromkeys(("id", "first", "second", "label"), "text")) as write:
        for number in range(rows):
            texts = [next(made), next(made)]
            if characters is not None:
                texts = [(f"{text} " * (characters // len(text) + 1))[:characters].strip() for text in texts]
            write([f"row-{number}", *texts, str(number % 2)])


@contextmanager
def writer(path: Path):  # type: ignore[no-untyped-def]
    """Give what writes texts, many at a time."""
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        schema = pyarrow.schema({"id": pyarrow.int64(), "text": pyarrow.string()})
        with parquet.ParquetWriter(path, schema) as file:
            yield lambda texts: file.write_table(pyarrow.table({"id": range(len(texts)), "text": texts}, schema))
        return
    with path.open("w", encoding="utf-8") as stream:
        if path.suffix == ".csv":
            stream.write("id,text\n")
        form = {".csv": '0,"{}"\n', ".jsonl": '{{"id": 0, "text": "{}"}}\n', ".txt": "{}\n"}[path.suffix]
        yield lambda texts: stream.writelines(form.format(text) for text in texts)


if __name__ == "__main__":
    main()
