"""What int8 would cost an exported run: static quantization, calibrated on training rows, scored on dev.

    python benchmarks/quantizing.py runs/quickstart
    python benchmarks/quantizing.py runs/quickstart --keep feed_forward.output --method Percentile

Weights are signed with a scale a channel, activations unsigned with a scale a tensor (QDQ, U8S8). On processors with
AVX2 or AVX-512 and no VNNI such products saturate; --reduce-range leaves a bit of the weights unused there.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from rich.console import Console

from common import show
from minbert.data.examples import Split
from minbert.data.places import resolve_data
from minbert.data.task_splits import read_task_split
from minbert.export.exporting import export_model, find_format
from minbert.export.onnx.description import GRAPH
from minbert.export.onnx.session import OnnxModel, padded
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import Recipe
from minbert.run_folder.folder import read_run

TOKENS = 40
"""Calibration pads all its texts to so many, and leaves longer ones out: histograms want batches of one shape."""
SEQUENCES = 24
ALONE = 12
"""So many rows of a task are also answered one by one."""


def main() -> None:
    """Quantize a run's graph and print what each task loses."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path)
    options.add_argument("--data", help="folder of the files; by default the run's own")
    options.add_argument("--keep", nargs="*", default=[], help="parts of layers that stay in fp32, by their names")
    options.add_argument("--method", choices=["MinMax", "Percentile", "Entropy"], default="MinMax")
    options.add_argument("--calibrate", type=int, default=100, help="training rows of each task")
    options.add_argument("--reduce-range", action="store_true")
    given = options.parse_args()
    recipe = read_run(given.run)
    with tempfile.TemporaryDirectory() as place:
        exported, quantized = Path(place) / "fp32", Path(place) / "int8"
        export_model(MultitaskModel.from_pretrained(given.run), find_format("onnx"), exported)
        shutil.copytree(exported, quantized)
        model = OnnxModel.from_folder(exported)
        quantize_static(
            exported / GRAPH,
            quantized / GRAPH,
            Calibration(model, rows_of(recipe, given.data, "train"), given.calibrate),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Gemm", "MatMul"],
            nodes_to_quantize=[*products(exported / GRAPH, given.keep)],
            per_channel=True,
            reduce_range=given.reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[given.method],
            extra_options={"CalibPercentile": 99.99},
        )
        compare(recipe, model, OnnxModel.from_folder(quantized), rows_of(recipe, given.data, "dev"))


def rows_of(recipe: Recipe, data: str | None, split: str) -> dict[str, Split]:
    """Return the rows of a split of each task."""
    place = resolve_data(data or recipe.data)
    return {name: read_task_split(place, task, task.kind, split, name=name) for name, task in recipe.tasks.items()}


def products(graph: Path, kept: list[str]) -> Iterator[str]:
    """Yield the names of the products with the weights of the encoder's layers, but for the ``kept`` ones."""
    for node in onnx.load(graph).graph.node:
        weights = [name for name in node.input if "encoder.layers" in name and name.endswith("weight")]
        if node.op_type in ("Gemm", "MatMul") and weights and not any(part in weights[0] for part in kept):
            yield node.name


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Batches of training texts."""

    def __init__(self, model: OnnxModel, rows: Mapping[str, Split], count: int) -> None:
        self.batches = [batch for name in rows for batch in self._of_task(model, name, rows[name], count)]
        self.rewind()

    def _of_task(self, model: OnnxModel, name: str, rows: Split, count: int) -> Iterator[dict[str, Any]]:
        sequences = model.sequences(name, rows.texts[:count])
        sequences = sequences.chosen(np.flatnonzero(sequences.lengths()[sequences.rows].max(1) <= TOKENS))
        batch = padded(sequences, model.reader.tokenizer.padding_id)
        wide = {key: np.pad(values, ((0, 0), (0, TOKENS - values.shape[1]))) for key, values in batch.items()}
        for start in range(0, len(sequences) - SEQUENCES + 1, SEQUENCES):
            fed = {key: values[start : start + SEQUENCES] for key, values in wide.items()}
            nobody = {f"{task}.rows": np.zeros((1, it.sequences_per_row), np.int64) for task, it in model.tasks.items()}
            names = [given.name for given in model.session.get_inputs()]
            yield {key: values for key, values in (fed | nobody).items() if key in names}

    def get_next(self) -> dict[str, Any] | None:
        """Return the next batch."""
        return next(self.left, None)

    def rewind(self) -> None:
        """Begin again."""
        self.left = iter(self.batches)


def compare(recipe: Recipe, model: OnnxModel, quantized: OnnxModel, dev: Mapping[str, Split]) -> None:
    """Print a line for each task, and one for sentence embeddings."""
    lines = []
    for name, task in recipe.tasks.items():
        sequences, labels = model.sequences(name, dev[name].texts), dev[name].labels
        assert labels is not None
        seconds, answers = [], []
        for asked in (model, quantized):
            started = time.perf_counter()
            answers += asked.predictions([name], sequences)
            seconds.append(time.perf_counter() - started)
        before, after = (task.kind.scores(labels, answer, task.metric)[task.metric] for answer in answers)
        alone = [quantized.logits([name], sequences.chosen(np.array([row])))[name] for row in range(ALONE)]
        together = quantized.logits([name], sequences)[name][:ALONE]
        agree = (answers[0].values == answers[1].values).reshape(len(labels), -1).all(1).mean()
        figures = {
            "what": f"{name}, {task.metric}",
            "fp32": before,
            "int8": after,
            "agree": float(agree) if task.kind.class_names else None,
            "company": float(np.abs(np.concatenate(alone) - together).max()),
            "speed": seconds[0] / seconds[1],
        }
        lines.append(figures)
    texts = list(dict.fromkeys(text for rows in dev.values() for text in [*rows.first, *(rows.second or [])]))
    one, other = (unit(asked.vectors(asked.reader.single_texts(texts))) for asked in (model, quantized))
    lines.append({"what": "sentence_embedding, worst 1 - cosine", "int8": worst(one, other)})
    columns = {
        "what": "task, metric",
        "fp32": "fp32",
        "int8": "int8",
        "agree": "same answers",
        "company": "alone or in company",
        "speed": "seconds of fp32 / int8",
    }
    show(Console(width=120), "dev, exported in fp32 and in int8", columns, lines)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the vectors at length 1."""
    exact = vectors.astype(np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)


def worst(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the largest 1 - cosine of two unit vectors of a row."""
    return float(1 - (one * other).sum(1).min())


if __name__ == "__main__":
    main()
