"""An exported model asked through onnxruntime: the same texts, the same kinds, the same answers as a run's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from minbert.encoder.architectures import Architecture
from minbert.encoder.pooling import Pooling
from minbert.errors import UserError
from minbert.export.onnx.description import GRAPH, Description, read_description
from minbert.export.onnx.padded import ADAPTER, EMBEDDING, IDS, MASK, SEGMENTS, logits_name, rows_name
from minbert.machine.precision import Precision
from minbert.multitask.inference import NotFiniteAnswersError, predictions_from
from minbert.multitask.reading import TextReader, find_task
from minbert.multitask.sequences import Indices, Sequences
from minbert.multitask.texts import Text
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer

SLOTS_PER_BATCH = 4096
"""Tokens and padding of a batch, as many as ``inference.TOKENS_PER_BATCH`` for the same reasons."""

Floats = NDArray[np.float32]


class OnnxModel:
    """What ``minbert export --to onnx`` wrote, loaded."""

    def __init__(self, session: Any, reader: TextReader, described: Description) -> None:
        """Take an ``onnxruntime.InferenceSession``, and what reads texts and tells tasks for it."""
        self.session = session
        self.reader = reader
        self.hidden_size = described.embedding.size
        self.tasks = {name: task.recipe for name, task in described.tasks.items()}
        self._adapters = {name: task.adapter for name, task in described.tasks.items()}
        self._inputs = {value.name for value in session.get_inputs()}

    @classmethod
    def from_folder(cls, folder: Path, threads: int | None = None) -> Self:
        """Load the exported model in ``folder``; ``threads`` are as many as torch has, if not given.

        Raises:
            UserError: there is none, its files are damaged, or onnxruntime is not installed.
        """
        described = read_description(folder)
        tokenizer = Tokenizer.from_files(folder)
        template = Architecture.members[described.family].template(tokenizer)
        model = cls(_session(folder / GRAPH, threads), TextReader(tokenizer, template, described.max_length), described)
        if missing := {rows_name(name) for name in model.tasks} - model._inputs:
            raise UserError(f"{folder / GRAPH}: has no input {', '.join(sorted(missing))}. Export the model again.")
        return model

    @property
    def max_length(self) -> int:
        """The most tokens of a sequence."""
        return self.reader.max_length

    def task(self, name: str) -> TaskSettings:
        """Return a task's settings.

        Raises:
            UserError: the model has no such task.
        """
        return find_task(self.tasks, name)

    def sequences(self, task: str, texts: Iterable[Text]) -> Sequences:
        """Tokenize ``texts`` for a task.

        Raises:
            UserError: the texts are not of the form that the task takes.
        """
        return self.reader.of_task(task, self.task(task).pair, texts)

    def predictions(
        self, tasks: Sequence[str], sequences: Sequences, precision: Precision = "fp32"
    ) -> list[Predictions]:
        """Return each task's predictions for the rows of ``sequences``, which are read for all tasks alike.

        Every sequence goes through the encoder once, but for tasks with adapters of their own.

        Raises:
            NotFiniteAnswersError: one is no finite number.
            UserError: another number format than fp32 is asked for.
        """
        check_precision(precision)
        logits = self.logits(tasks, sequences)
        return [predictions_from(task, self.task(task).kind, torch.from_numpy(logits[task])) for task in tasks]

    def logits(self, tasks: Sequence[str], sequences: Sequences) -> dict[str, Floats]:
        """Return each task's logits (R, outputs)."""
        found: dict[str, Floats] = {}
        for adapter in dict.fromkeys(self._adapters[task] for task in tasks):
            own = [task for task in tasks if self._adapters[task] == adapter]
            found |= self._with_adapter(own, adapter, sequences)
        return found

    def _with_adapter(self, tasks: Sequence[str], adapter: int, sequences: Sequences) -> dict[str, Floats]:
        """Return the logits (R, outputs) of tasks with one adapter."""
        numbers, parts = [], []
        for rows, part in _batches(sequences):
            inputs = self._fed(part) | {rows_name(task): part.rows for task in tasks}
            inputs[ADAPTER] = np.full(len(part), adapter)
            numbers.append(rows)
            parts.append(self._run([logits_name(task) for task in tasks], inputs))
        return {task: _in_order(numbers, own) for task, own in zip(tasks, zip(*parts, strict=True), strict=True)}

    def vectors(self, sequences: Sequences) -> Floats:
        """Return the sentence embedding (R, hidden) of each row of single texts, as ``MultitaskModel.encode`` does."""
        numbers, parts = [], []
        for rows, part in _batches(sequences):
            numbers.append(rows)
            parts.append(self._run([EMBEDDING], self._fed(part))[0][part.rows[:, 0]])
        return _in_order(numbers, parts)

    def single_texts(self, texts: Iterable[str]) -> Sequences:
        """Tokenize ``texts``, each a row by itself, for no task in particular."""
        return self.reader.single_texts(texts)

    def row_vectors(self, sequences: Sequences, pooling: Pooling = "mean", precision: Precision = "fp32") -> Floats:
        """Return the vector of each row (R, hidden) of ``single_texts``.

        Raises:
            NotFiniteAnswersError: one is no finite number.
            UserError: another pooling than the mean, or another number format than fp32, is asked for.
        """
        check_precision(precision)
        if pooling != "mean":
            raise UserError(f"pooling: an exported model has the mean of token states, not '{pooling}'. Leave it out.")
        vectors = self.vectors(sequences)
        if not np.isfinite(vectors).all():
            raise NotFiniteAnswersError("sentence vectors", torch.from_numpy(vectors))
        return vectors

    def _fed(self, sequences: Sequences) -> dict[str, NDArray[np.int64]]:
        """Return all inputs for a batch of sequences; tasks are asked about its first one, which costs next to nothing.

        Where tasks have adapters, none is met.
        """
        inputs = padded(sequences, self.reader.tokenizer.padding_id)
        inputs[ADAPTER] = np.zeros(len(sequences), np.int64)
        for name, task in self.tasks.items():
            inputs[rows_name(name)] = np.zeros((1, task.sequences_per_row), np.int64)
        return inputs

    def _run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.int64]]) -> list[Floats]:
        fed = {name: np.ascontiguousarray(values) for name, values in inputs.items() if name in self._inputs}
        results: list[Floats] = self.session.run(outputs, fed)
        return results


def check_precision(precision: Precision) -> None:
    """Check that an exported model computes in this number format.

    Raises:
        UserError: it does not.
    """
    if precision != "fp32":
        raise UserError(f"precision: {precision} is not what an exported model computes in. Leave it out.")


def padded(sequences: Sequences, padding_id: int) -> dict[str, NDArray[np.int64]]:
    """Return tokens, mask and segments (S, L) of all sequences, padded to the longest."""
    batch = sequences.pack(np.arange(len(sequences)))  # in order: texts by themselves have lower numbers
    lengths = batch.lengths.numpy()
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids, segments = np.full(mask.shape, padding_id, np.int64), np.zeros(mask.shape, np.int64)
    ids[mask], segments[mask] = batch.token_ids.numpy(), batch.segment_ids.numpy()
    return {IDS: ids, MASK: mask.astype(np.int64), SEGMENTS: segments}


def _batches(sequences: Sequences) -> Iterator[tuple[Indices, Sequences]]:
    """Yield rows of like length, and the sequences behind them, so that little of a batch is padding."""
    lengths = sequences.lengths()
    longest = lengths[sequences.rows].max(axis=1)
    order = np.argsort(-longest, kind="stable")
    start = 0
    while start < len(order):
        slots = int(longest[order[start]]) * sequences.rows.shape[1]
        rows = order[start : start + max(1, SLOTS_PER_BATCH // slots)]
        yield rows, sequences.chosen(rows)
        start += len(rows)


def _in_order(numbers: Sequence[Indices], parts: Sequence[Floats]) -> Floats:
    """Return what was computed for some rows at a time, by the rows' numbers."""
    rows, values = np.concatenate(numbers), np.concatenate(parts)
    result = np.empty_like(values)
    result[rows] = values
    return result


def _session(graph: Path, threads: int | None) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise UserError("--engine onnx: needs onnxruntime. Run: pip install 'minbert[onnx]'") from None
    options = onnxruntime.SessionOptions()
    # It would keep a plan of memory for every size of batch that it has met.
    options.enable_mem_pattern = False
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises nothing narrower
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{graph}: cannot be loaded ({reason:.200}). Is it cut short? Export the model again."
        ) from None
