"""How memory and speed go with the length of a file that is answered, encoded or checked: they should not.

    python benchmarks/long_files.py --json long_files.json
    python benchmarks/long_files.py --rows 1000 10000 --only "encode to npy"
    python benchmarks/long_files.py --rows 3 --characters 20000000

Each figure is a process of its own that does what the command does, over a file of made-up sentences and a tiny random
model: a million rows take a minute. Memory is RssAnon, the pages that no file stands for, looked at twenty times a
second; its growth is what is more than at the first rows. Linux alone tells it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from anonymous_memory import peak_anonymous
from common import Figures, in_a_process, show, wide_console
from minbert.data.row_writer import row_writer
from minbert.data.text_rows import TextRows
from minbert.display.progress import Display
from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.encoder.sources import find_encoder
from minbert.evaluation.streaming import encode_file, predict_file
from minbert.multitask.model import MultitaskModel
from minbert.running.checking import check_source
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer
from texts import TextGenerator, vocabulary_words

TASK = {"kind": "classification", "classes": 5}
ROWS = [10_000, 100_000, 1_000_000]
ROWS_WRITTEN_TOGETHER = 10_000

COLUMNS = {"what": "command", "rows": "rows", "peak_mb": "RssAnon, MB", "seconds": "seconds", "rows_per_s": "rows/s"}

quiet = Display(Console(quiet=True))


def main() -> None:
    """Measure what the command line asks for."""
    options = parser().parse_args()
    if options.one:
        print(json.dumps(measured(WORK[options.one], options.folder, options.rows[0])))
        return
    console, found = wide_console(), []
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place).resolve()  # a recipe there names it
        write_model(folder / "model", options.encoder)
        for rows in options.rows:
            with console.status(f"writing {rows:,} rows"):
                write_rows(folder, rows, options.encoder, options.characters)
            for name in options.only or WORK:
                with console.status(f"{rows:,} rows: {name}"):
                    arguments = ["--one", name, "--folder", str(folder), "--rows", str(rows)]
                    figures = in_a_process(__file__, arguments, options.threads)
                found.append({"what": name, "rows": rows, **figures})
    found.sort(key=lambda figures: list(WORK).index(figures["what"]))
    show(console, "long files", COLUMNS, found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", nargs="+", type=int, default=ROWS)
    options.add_argument("--characters", type=int, help="say each text again and again until it has so many")
    options.add_argument("--only", nargs="+", choices=WORK)
    options.add_argument("--encoder", default="minilm", help="whose tokenizer reads the texts")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--folder", type=Path, help="where files go: some hundred bytes a row")
    options.add_argument("--json", type=Path, help="write the figures there")
    options.add_argument("--one", choices=WORK, help=argparse.SUPPRESS)
    return options


def predicted(suffix: str) -> Callable[[Path, Path], Any]:
    """Return the work of ``minbert predict`` with an output of this format."""

    def work(folder: Path, source: Path) -> None:
        model = MultitaskModel.from_pretrained(folder / "model")
        rows, output = TextRows(source, ["text"], "id"), folder / f"answers{suffix}"
        predict_file(model, ["mood"], rows, output, "fp32", quiet)

    return work


def encoded(suffix: str) -> Callable[[Path, Path], Any]:
    """Return the work of ``minbert encode`` with an output of this format."""

    def work(folder: Path, source: Path) -> None:
        model = MultitaskModel.from_pretrained(folder / "model")
        encode_file(model, TextRows(source, ["text"], "id"), folder / f"vectors{suffix}", "mean", "fp32", quiet)

    return work


def checked(folder: Path, source: Path) -> None:
    """Do the work of ``minbert data check``: the file is train, and its own dev."""
    files = dict.fromkeys(("train", "dev"), source.name)
    task = {**TASK, "files": files, "text": "text", "label": "label", "id": "id"}
    recipe = {"data": str(folder), "encoder": {"name": str(folder / "model")}, "tasks": {"mood": task}}
    (folder / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    check_source(str(folder / "recipe.yaml"), None, None, quiet)


WORK: dict[str, Callable[[Path, Path], Any]] = {
    "predict to jsonl": predicted(".jsonl"),
    "predict to parquet": predicted(".parquet"),
    "encode to npy": encoded(".npy"),
    "encode to parquet": encoded(".parquet"),
    "data check": checked,
}


def measured(work: Callable[[Path, Path], Any], folder: Path, rows: int) -> Figures:
    """Return the seconds that the work over so many rows takes, and the most memory in MB (10^6 bytes)."""
    with peak_anonymous() as seen:
        started = time.perf_counter()
        work(folder, folder / f"{rows}.csv")
        seconds = time.perf_counter() - started
    return {"peak_mb": max(seen), "seconds": seconds, "rows_per_s": rows / seconds}


def write_model(folder: Path, encoder: str) -> None:
    """Write a random model of one task with one layer, 32 wide, and the encoder's tokenizer."""
    tokenizer = Tokenizer.from_files(find_encoder(encoder).folder)
    torch.manual_seed(1)
    config = EncoderConfig(
        vocabulary_size=tokenizer.vocabulary_size, hidden_size=32, layers=1, attention_heads=2, intermediate_size=64
    )
    MultitaskModel(Encoder(config), tokenizer, {"mood": TaskSettings.model_validate(TASK)}, 64).save_pretrained(folder)


def write_rows(folder: Path, rows: int, encoder: str, characters: int | None = None) -> None:
    """Write a file of so many rows with the lengths of the course's sentences, or of so many characters."""
    generator = TextGenerator(vocabulary_words(encoder), 1)
    with row_writer(folder / f"{rows}.csv", {"id": "text", "text": "text", "label": "text"}) as write:
        for start in range(0, rows, ROWS_WRITTEN_TOGETHER):
            count = min(ROWS_WRITTEN_TOGETHER, rows - start)
            for number, text in enumerate(generator.texts(generator.lengths("sentiment", count)), start):
                long = text if characters is None else f"{text} " * (characters // len(text) + 1)
                write([f"r{number}", long[:characters], str(number % 5)])


if __name__ == "__main__":
    main()
