"""Predictions and sentence vectors for files larger than memory: read, answer and write some rows at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from minbert.data.row import missing_column
from minbert.data.row_writer import row_writer
from minbert.data.rows import Problem, Row, read_rows
from minbert.encoder.pooling import Pooling
from minbert.errors import UserError
from minbert.files import atomic_path
from minbert.machine.precision import Precision
from minbert.multitask.model import MultitaskModel, Text
from minbert.tasks.predictions import Predictions

ROWS_AT_ONCE = 2048
"""Enough for full batches, few enough to stay small in memory."""

Advance = Callable[[int], None]
"""Called with the number of rows just finished."""


def predict_file(
    model: MultitaskModel,
    task: str,
    source: Path,
    columns: Sequence[str],
    id_column: str | None,
    output: Path | None,
    precision: Precision,
    advance: Advance,
) -> None:
    """Write a prediction for every row of ``source`` to ``output`` (.tsv, .csv or .jsonl) or to standard output.

    A line has the row's id (by default its number), the predicted class or score, and every class's probability.
    ``columns`` holds the text, or the two texts of a pair.

    Raises:
        UserError: a row cannot be used (file and line are named), or the output cannot be written; then no output
            file is left behind.
    """
    names = model.task(task).class_names
    header = ["id", "prediction", *(f"probability_{name}" for name in names)]
    chunks = _chunks(_usable(source, columns, id_column), ROWS_AT_ONCE)
    first = next(chunks, [])  # what is wrong from the start is told before a header goes out
    number = 0
    with row_writer(output, header) as write:
        for rows in itertools.chain([first], chunks):
            texts: list[Text] = [_text(row, columns) for row in rows]
            predicted = model.predict(task, texts, precision)
            for index, row in enumerate(rows):
                number += 1
                write([row.values[id_column] if id_column else str(number), *_cells(predicted, index)])
            advance(len(rows))


def encode_file(
    model: MultitaskModel,
    source: Path,
    column: str,
    output: Path,
    pooling: Pooling,
    precision: Precision,
    advance: Advance,
) -> int:
    """Write the sentence vector of every row of ``source`` to ``output``, an ``.npy`` file (N, hidden) of fp32.

    Returns N.

    Raises:
        UserError: as for ``predict_file``.
    """
    count, width = 0, model.encoder.config.hidden_size
    with atomic_path(output) as temporary, temporary.open("wb") as file:
        _write_npy_header(file, 0, width)
        start = file.tell()
        for rows in _chunks(_usable(source, [column], None), ROWS_AT_ONCE):
            vectors = model.encode([row.values[column] for row in rows], pooling, precision)
            file.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
            count += len(rows)
            advance(len(rows))
        file.seek(0)
        _write_npy_header(file, count, width)
        assert file.tell() == start  # numpy leaves room for the first axis to grow
    return count


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
            raise UserError(f"{source}:{row.line}: {missing} Name the text's column, or both of a pair, with --text.")
        for column in columns:
            if not row.values[column].strip():
                raise UserError(f"{source}:{row.line}: no text in column '{column}'.")
        yield row


def _text(row: Row, columns: Sequence[str]) -> Text:
    texts = [row.values[column].strip() for column in columns]
    return texts[0] if len(texts) == 1 else (texts[0], texts[1])


def _cells(predicted: Predictions, index: int) -> list[Any]:
    if predicted.probabilities is None:
        return [round(float(predicted.values[index]), 6)]
    shares = [round(float(share), 6) for share in predicted.probabilities[index]]
    return [predicted.names[index], *shares]


def _chunks(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while chunk := list(itertools.islice(rows, size)):
        yield chunk
