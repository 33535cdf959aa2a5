"""Predictions and sentence vectors for files larger than memory: read, answer and write some rows at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from minbert.data.row import missing_column
from minbert.data.row_writer import row_writer
from minbert.data.rows import Problem, Row, read_rows
from minbert.encoder.pooling import Pooling
from minbert.errors import UserError
from minbert.files import atomic_path
from minbert.machine.precision import Precision
from minbert.multitask.inference import NotFiniteAnswersError
from minbert.multitask.model import MultitaskModel
from minbert.multitask.sequences import Sequences
from minbert.multitask.texts import Text
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings

ROWS_AT_ONCE = 2048
"""Enough for full batches, few enough to stay small in memory."""

Advance = Callable[[int], None]
"""Called with the number of rows just finished."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How much of a file has been answered: its rows, what was read for them, and how many of that was cut."""

    rows: int = 0
    sequences: int = 0
    cut: int = 0

    def plus(self, more: Sequences) -> Answered:
        """Return this with the rows of ``more``."""
        return Answered(self.rows + len(more.rows), self.sequences + len(more), self.cut + more.truncated())


class Answering(Protocol):
    """Whoever answers tasks, as ``MultitaskModel`` does."""

    tasks: dict[str, TaskSettings]

    @property
    def max_length(self) -> int:
        """The most tokens of a sequence."""

    def task(self, name: str) -> TaskSettings:
        """Return a task's settings; see ``MultitaskModel``."""

    def sequences(self, task: str, texts: Iterable[Text]) -> Sequences:
        """Tokenize texts for a task; see ``MultitaskModel``."""

    def predictions(self, task: str, sequences: Sequences, precision: Precision) -> Predictions:
        """Return a task's predictions; see ``MultitaskModel``."""


def predict_file(
    model: Answering,
    task: str,
    source: Path,
    columns: Sequence[str],
    id_column: str | None,
    output: Path | None,
    precision: Precision,
    advance: Advance,
) -> Answered:
    """Write a prediction for every row of ``source`` to ``output`` (.tsv, .csv or .jsonl) or to standard output.

    A line has the row's id (by default its number), the predicted class or score, and every class's probability.
    ``columns`` holds the text, or the two texts of a pair.

    Raises:
        UserError: a row cannot be used (file and line are named), or the output cannot be written; then no output
            file is left behind.
    """
    names = model.task(task).kind.class_names
    header = ["id", "prediction", *(f"probability_{name}" for name in names)]
    chunks = _chunks(_usable(source, columns, id_column), ROWS_AT_ONCE)
    first = next(chunks, [])  # what is wrong from the start is told before a header goes out
    answered = Answered()
    with row_writer(output, header) as write:
        for rows in itertools.chain([first] if first else [], chunks):
            sequences = model.sequences(task, [_text(row, columns) for row in rows])
            with _line_told(source, rows):
                predicted = model.predictions(task, sequences, precision)
            for index, row in enumerate(rows):
                row_id = row.values[id_column] if id_column else str(answered.rows + index + 1)
                write([row_id, *_cells(predicted, index)])
            answered = answered.plus(sequences)
            advance(len(rows))
    return answered


def encode_file(
    model: MultitaskModel,
    source: Path,
    column: str,
    output: Path,
    pooling: Pooling,
    precision: Precision,
    advance: Advance,
) -> Answered:
    """Write the sentence vector of every row of ``source`` to ``output``, an ``.npy`` file (N, hidden) of fp32.

    Raises:
        UserError: as for ``predict_file``.
    """
    answered, width = Answered(), model.encoder.config.hidden_size
    with atomic_path(output) as temporary, temporary.open("wb") as file:
        _write_npy_header(file, 0, width)
        start = file.tell()
        for rows in _chunks(_usable(source, [column], None), ROWS_AT_ONCE):
            sequences = model.single_texts([row.values[column] for row in rows])
            with _line_told(source, rows):
                vectors = model.row_vectors(sequences, pooling, precision)
            file.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
            answered = answered.plus(sequences)
            advance(len(rows))
        file.seek(0)
        _write_npy_header(file, answered.rows, width)
        assert file.tell() == start  # numpy leaves room for the first axis to grow
    return answered


def _write_npy_header(file: IO[bytes], count: int, width: int) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (count, width)})


def _usable(source: Path, columns: Sequence[str], id_column: str | None) -> Iterator[Row]:
    """Yield the rows of ``source``, which all have the columns, each with a text.

    Raises:
        UserError: at the first row that has not.
    """
    for row in read_rows(source):
        if isinstance(row, Problem):
            raise UserError(f"{row}. {row.advice}".strip())
        if missing := missing_column(row, [*columns, *([id_column] if id_column else [])]):
            names = "the text's column" if len(columns) == 1 else "both columns of a pair"
            raise UserError(f"{source}:{row.line}: {missing} Name {names} with --text.")
        for column in columns:
            if not row.values[column].strip():
                raise UserError(f"{source}:{row.line}: no text in column '{column}'.")
        yield row


@contextmanager
def _line_told(source: Path, rows: Sequence[Row]) -> Iterator[None]:
    """Name the line of the row whose answer is no number."""
    try:
        yield
    except NotFiniteAnswersError as error:
        raise UserError(f"{source}, line {rows[error.row].line}: {error.reason}") from None


def _text(row: Row, columns: Sequence[str]) -> Text:
    texts = [row.values[column].strip() for column in columns]
    return texts[0] if len(texts) == 1 else (texts[0], texts[1])


def _cells(predicted: Predictions, index: int) -> list[Any]:
    if predicted.probabilities is None:
        return [round(float(predicted.values[index]), 6)]
    shares = [round(float(share), 6) for share in predicted.probabilities[index]]
    return [predicted.names[index], *shares]  # a list of names where a row has several classes


def _chunks(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while chunk := list(itertools.islice(rows, size)):
        yield chunk
