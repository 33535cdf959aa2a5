"""How far the answers of an exported run are from the run's own, on texts of all lengths.

    python benchmarks/exporting.py RUN --texts DIR/ids-sst-dev.csv sentence --texts DIR/sts-dev.csv sentence1

Pairs are texts of the sample, put together by chance. A row is near a tie where its two likeliest classes, or yes and
its threshold, are less than 1e-4 apart: there either answer is right.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from common import show
from minbert.data.rows import Problem, read_rows
from minbert.errors import UserError
from minbert.export.exporting import export_model, find_format
from minbert.export.onnx.session import OnnxModel
from minbert.multitask.model import MultitaskModel
from minbert.multitask.texts import Text
from minbert.tasks.predictions import Predictions

TIE = 1e-4


def main() -> None:
    """Export a run, ask both about the same texts, print how far apart they are."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path)
    options.add_argument("--exported", type=Path, help="a folder of minbert export --to onnx; else made for this")
    options.add_argument("--texts", nargs=2, action="append", required=True, metavar=("FILE", "COLUMN"))
    options.add_argument("--rows", type=int, default=2000)
    options.add_argument("--seed", type=int, default=11711)
    given = options.parse_args()
    random = np.random.default_rng(given.seed)
    texts = sample(given.texts, given.rows, random)
    with tempfile.TemporaryDirectory() as place:
        folder = given.exported or Path(place) / "exported"
        if given.exported is None:
            export_model(MultitaskModel.from_pretrained(given.run), find_format("onnx"), folder)
        compare(MultitaskModel.from_pretrained(given.run), OnnxModel.from_folder(folder), texts, random)


def sample(files: list[tuple[str, str]], rows: int, random: np.random.Generator) -> list[str]:
    """Return so many distinct texts of the files' columns, drawn by chance."""
    found: dict[str, None] = {}
    for file, column in files:
        for row in read_rows(Path(file)):
            if isinstance(row, Problem):
                raise UserError(str(row))
            if text := row.values[column].strip():
                found[text] = None
    texts = list(found)
    return [texts[place] for place in random.permutation(len(texts))[:rows]]


def compare(ours: MultitaskModel, theirs: OnnxModel, texts: list[str], random: np.random.Generator) -> None:
    """Print a line for each task, and one for sentence embeddings."""
    lines = []
    for name, task in ours.tasks.items():
        rows: list[Text] = list(texts)
        if task.pair is not None:
            rows = list(zip(texts, (texts[place] for place in random.permutation(len(texts))), strict=True))
        sequences = ours.sequences(name, rows)
        started = time.perf_counter()
        expected = ours.predictions(name, sequences)
        between = time.perf_counter()
        found = theirs.predictions(name, sequences)
        figures = {
            "what": name,
            "rows": len(rows),
            "tokens": f"{sequences.lengths().min()} to {sequences.lengths().max()}",
            "difference": difference(expected, found, task.kind.span),
            "others": int((differs(expected, found) & ~near_a_tie(expected)).sum()),
            "ties": int(near_a_tie(expected).sum()),
            "seconds": between - started,
            "onnx_seconds": time.perf_counter() - between,
        }
        lines.append(figures)
    ours_vectors, their_vectors = ours.encode(texts), theirs.vectors(theirs.reader.single_texts(texts))
    cosines = (unit(ours_vectors) * unit(their_vectors)).sum(1)
    lines.append({"what": "sentence_embedding, 1 - cosine", "rows": len(texts), "difference": float(1 - cosines.min())})
    columns = {
        "what": "task",
        "rows": "rows",
        "tokens": "tokens a sequence",
        "difference": "worst difference",
        "others": "other answers",
        "ties": "ties",
        "seconds": "seconds, minbert",
        "onnx_seconds": "seconds, onnxruntime",
    }
    console = Console(width=140)
    show(console, f"an exported run beside the run, fp32, {torch.get_num_threads()} threads", columns, lines)


def difference(one: Predictions, other: Predictions, span: float) -> float:
    """Return the largest difference of a probability, or of a score as a share of its range."""
    if one.probabilities is None or other.probabilities is None:
        return float(np.abs(one.values - other.values).max() / span)
    return float(np.abs(one.probabilities - other.probabilities).max())


def differs(one: Predictions, other: Predictions) -> NDArray[np.bool_]:
    """Return which rows are answered otherwise; scores are not decided."""
    if one.probabilities is None:
        return np.zeros(len(one.values), np.bool_)
    return (one.values != other.values).reshape(len(one.values), -1).any(1)


def near_a_tie(predicted: Predictions) -> NDArray[np.bool_]:
    """Return which rows have two classes, or a class and its threshold at a half, within ``TIE``."""
    if predicted.probabilities is None:
        return np.zeros(len(predicted.values), np.bool_)
    if predicted.values.ndim == 2:
        return (np.abs(predicted.probabilities - 0.5) < TIE).any(1)
    ranked = np.sort(predicted.probabilities, axis=1)
    return ranked[:, -1] - ranked[:, -2] < TIE


def unit(vectors: Any) -> NDArray[np.float64]:
    """Return the vectors at length 1."""
    exact = np.asarray(vectors, np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
