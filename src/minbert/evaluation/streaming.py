"""Predictions and sentence vectors for files larger than memory: read, answer and write some rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minbert.data.row_writer import Holds, row_writer
from minbert.data.text_rows import TextRow, TextRows
from minbert.data.vector_writer import vector_writer
from minbert.display.progress import Display
from minbert.encoder.pooling import Pooling
from minbert.errors import UserError
from minbert.evaluation.dealing import Answered, answered
from minbert.machine.precision import Precision
from minbert.machine.ranks import ranks
from minbert.multitask.inference import NotFiniteAnswersError
from minbert.multitask.sequences import Sequences
from minbert.multitask.texts import Text
from minbert.tasks.kinds import Kind
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings


@dataclass(frozen=True, slots=True)
class Total:
    """How much of a file has been answered: its rows, what was read for them, and how many of that was cut."""

    rows: int = 0
    sequences: int = 0
    cut: int = 0
    without_text: int = 0
    """Rows of which a text is empty."""

    def plus(self, more: Answered) -> Total:
        """Return this with the rows of ``more``."""
        return Total(
            self.rows + len(more.rows),
            self.sequences + more.sequences,
            self.cut + more.cut,
            self.without_text + sum(row.lacks_text for row in more.rows),
        )


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

    def predictions(self, tasks: Sequence[str], sequences: Sequences, precision: Precision) -> list[Predictions]:
        """Return each task's predictions; see ``MultitaskModel``."""


class Encoding(Protocol):
    """Whoever has a vector for each text, as ``MultitaskModel`` does."""

    @property
    def max_length(self) -> int:
        """The most tokens of a sequence."""

    @property
    def hidden_size(self) -> int:
        """The numbers of a vector."""

    def single_texts(self, texts: Iterable[str]) -> Sequences:
        """Tokenize texts for no task in particular; see ``MultitaskModel``."""

    def row_vectors(self, sequences: Sequences, pooling: Pooling, precision: Precision) -> NDArray[np.float32]:
        """Return the vector of each row; see ``MultitaskModel``."""


def predict(
    model: Answering, tasks: Sequence[str], texts: Sequence[Text], precision: Precision
) -> tuple[dict[str, Predictions], list[Sequences]]:
    """Return what tasks say of texts, or pairs of texts, and what was read: once for all tasks that read alike.

    Raises:
        UserError: the texts are not of the form that a task takes, or an answer is no number.
    """
    found: dict[str, Predictions] = {}
    read: list[Sequences] = []
    for form in dict.fromkeys(model.task(task).pair for task in tasks):
        alike = [task for task in tasks if model.task(task).pair == form]
        read.append(model.sequences(alike[0], texts))
        found |= dict(zip(alike, model.predictions(alike, read[-1], precision), strict=True))
    return {task: found[task] for task in tasks}, read


def predict_file(
    model: Answering,
    tasks: Sequence[str],
    rows: TextRows,
    output: Path | None,
    precision: Precision,
    display: Display,
) -> Total:
    """Write the predictions of ``tasks`` for each of ``rows`` to ``output`` (of ``ROW_FORMATS``) or standard output.

    A line has the row's id and of each task the predicted class or score, and every class's probability. Of several
    tasks the columns begin with the task's name. A file is read through before its first row is answered. Of several
    ranks all must call this, and the first one writes.

    Raises:
        UserError: a row cannot be used (file and line are named), or the output cannot be written; then no output
            file is left behind.
    """
    kinds = {task: model.task(task).kind for task in tasks}
    columns = _columns(kinds)

    def answer(block: Sequence[TextRow]) -> tuple[list[Tensor], list[Sequences]]:
        with _line_told(rows, block):
            predicted, read = predict(model, tasks, [_text(row) for row in block], precision)
        return [torch.from_numpy(numbers) for each in predicted.values() for numbers in _numbers(each)], read

    done, count = Total(), _checked(rows, display)
    blocks = answered(rows, answer)
    with display.counting(f"predicting {', '.join(tasks)}", count) as bar, ExitStack() as written:
        write = written.enter_context(row_writer(output, columns)) if ranks().first else None
        for block in blocks:
            if write is not None:
                answers = iter(block.answers)
                by_task = [_cells(_told(kind, answers)) for kind in kinds.values()]
                for row, *cells in zip(block.rows, *by_task, strict=True):
                    write([row.id, *chain.from_iterable(cells)])
            done = done.plus(block)
            bar.advance(len(block.rows))
    return done


def encode_file(
    model: Encoding, rows: TextRows, output: Path, pooling: Pooling, precision: Precision, display: Display
) -> Total:
    """Write the sentence vector of each of ``rows`` to ``output``, one of ``VECTOR_FORMATS``.

    Raises:
        UserError: as for ``predict_file``.
    """

    def answer(block: Sequence[TextRow]) -> tuple[list[Tensor], list[Sequences]]:
        sequences = model.single_texts([row.texts[0] for row in block])
        with _line_told(rows, block):
            return [torch.from_numpy(model.row_vectors(sequences, pooling, precision))], [sequences]

    done, count = Total(), _checked(rows, display)
    blocks = answered(rows, answer)
    with display.counting("encoding", count) as bar, ExitStack() as written:
        write = None
        if ranks().first:
            write = written.enter_context(vector_writer(output, model.hidden_size))
        for block in blocks:
            if write is not None:
                write([row.id for row in block.rows], block.answers[0].numpy())
            done = done.plus(block)
            bar.advance(len(block.rows))
    return done


def _checked(rows: TextRows, display: Display) -> int | None:
    """Have the first rank check all rows that can be read twice, and return how many they are; None elsewhere."""
    with display.counting(f"checking {rows.path}") as bar:
        return rows.count(bar.advance) if ranks().first else None


@contextmanager
def _line_told(rows: TextRows, block: Sequence[TextRow]) -> Iterator[None]:
    """Name the line of the row whose answer is no number."""
    try:
        yield
    except NotFiniteAnswersError as error:
        raise UserError(f"{rows.path}, line {block[error.row].line}: {error.reason}") from None


def _text(row: TextRow) -> Text:
    texts = [text.strip() for text in row.texts]
    return texts[0] if len(texts) == 1 else (texts[0], texts[1])


def _columns(kinds: Mapping[str, Kind]) -> dict[str, Holds]:
    """Return the columns of an output. What several tasks say is told apart by their names.

    Raises:
        UserError: two columns would have one name.
    """
    columns: list[tuple[str, Holds]] = [("id", "text")]
    for task, kind in kinds.items():
        prefix = f"{task}_" if len(kinds) > 1 else ""
        columns.append((f"{prefix}prediction", "texts" if kind.several else "text" if kind.class_names else "number"))
        columns += [(f"{prefix}probability_{name}", "number") for name in kind.class_names]
    names = [name for name, _ in columns]
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"--task {' '.join(kinds)}: two columns would be called '{doubles[0]}'. Make two calls.")
    return dict(columns)


def _numbers(predicted: Predictions) -> list[NDArray[np.float64]]:
    """Return predictions as arrays (R, ...); see ``_told``."""
    return [predicted.values] if predicted.probabilities is None else [predicted.values, predicted.probabilities]


def _told(kind: Kind, answers: Iterator[Tensor]) -> Predictions:
    """Return the predictions that the next of some ``answers`` hold."""
    values = next(answers).numpy()
    return Predictions(values, next(answers).numpy() if kind.class_names else None, kind.class_names)


def _cells(predicted: Predictions) -> Iterator[list[Any]]:
    """Yield each row's cells after its id: a class (or a list of them) and all probabilities, or a score."""
    if predicted.probabilities is None:
        yield from ([round(value, 6)] for value in predicted.values.tolist())
        return
    for answer, shares in zip(predicted.names, predicted.probabilities.tolist(), strict=True):
        yield [answer, *(round(share, 6) for share in shares)]
