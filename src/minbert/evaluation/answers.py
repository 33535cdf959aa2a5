"""A finished run's answers to labelled rows: what every comparison and report of it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minbert.errors import UserError
from minbert.files import atomic_path
from minbert.files.checksums import check_checksum
from minbert.tasks.predictions import Predictions

_CLASSES = b"class_names"


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model said of ``R`` labelled rows of one task."""

    ids: list[str]
    labels: NDArray[np.float64]
    """(R,) class numbers, 0/1 or scores; (R, classes) of 0 and 1 where a row has several classes."""
    predictions: Predictions

    def __len__(self) -> int:
        """Return R."""
        return len(self.ids)

    def same_rows(self, other: Answers) -> bool:
        """Return whether both are answers to the same rows in the same order, by ids and labels."""
        return self.ids == other.ids and np.array_equal(self.labels, other.labels)


def answers_path(folder: Path, task: str, split: str) -> Path:
    """Return where a run's folder holds its answers."""
    return folder / "answers" / f"{task}-{split}.parquet"


def write_answers(folder: Path, task: str, split: str, answers: Answers) -> Path:
    """Write a row for each answer: id, label, prediction and, but for scores, the probability of every class.

    Returns the file.

    Raises:
        UserError: the folder cannot be written to.
    """
    import pyarrow
    from pyarrow import parquet

    predicted = answers.predictions
    arrays = {"label": answers.labels, "prediction": predicted.values}
    if predicted.probabilities is not None:
        arrays["probabilities"] = predicted.probabilities
    columns: dict[str, Any] = {"id": answers.ids}
    columns |= {name: list(array) if array.ndim > 1 else array for name, array in arrays.items()}
    table = pyarrow.table(columns).replace_schema_metadata({_CLASSES: "\n".join(predicted.class_names)})
    path = answers_path(folder, task, split)
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary)
    return path


def read_answers(folder: Path, task: str, split: str) -> Answers:
    """Return what ``write_answers`` wrote.

    Raises:
        UserError: the file is missing or damaged, or is not what the folder's checksums say.
    """
    import pyarrow
    from pyarrow import parquet

    path = answers_path(folder, task, split)
    if path.is_file():
        check_checksum(folder, path)
    try:
        with path.open("rb") as file:
            # Threads of Arrow hold what Python has read. One that lets go of it while Python ends aborts the process.
            table = parquet.ParquetFile(file, pre_buffer=False).read(use_threads=False)
        names = (table.schema.metadata or {}).get(_CLASSES, b"").decode()
        arrays = {name: _array(table.column(name)) for name in table.column_names if name != "id"}
        classes = names.split("\n") if names else []
        predicted = Predictions(arrays["prediction"], arrays.get("probabilities"), classes)
        answers = Answers(table.column("id").to_pylist(), arrays["label"], predicted)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. Is {folder} a finished run that had this task?") from None
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, str(error).partition("\n")[0]) from error
    if wrong := _contradiction(answers):
        raise _damaged(path, wrong)
    return answers


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path}: cannot be read ({reason}). Is it cut short? Train the run again.")


def _contradiction(answers: Answers) -> str | None:
    """Return what in answers cannot be; None where all fits together."""
    rows, predicted = len(answers), answers.predictions
    classes, values, probabilities = len(predicted.class_names), predicted.values, predicted.probabilities
    if not all(isinstance(row_id, str) for row_id in answers.ids):
        return "an id is no text"
    if answers.labels.shape != values.shape or values.ndim not in (1, 2) or not np.isfinite(values).all():
        return "labels and predictions do not fit together"
    if values.ndim == 2 and values.shape != (rows, classes):
        return f"rows have {values.shape[1]} answers each, and there are {classes} classes"
    if np.isinf(answers.labels).any():
        return "a label is infinite"
    if probabilities is None:
        return "there are classes, and no probabilities" if classes else None
    if probabilities.shape != (rows, classes):
        return f"rows have {probabilities.shape[-1]} probabilities each, and there are {classes} classes"
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        return "a probability is not between 0 and 1"
    numbers = np.concatenate([values, answers.labels[~np.isnan(answers.labels)]], axis=None)
    highest = 1 if values.ndim == 2 else classes - 1
    if not ((numbers >= 0) & (numbers <= highest) & (numbers == np.floor(numbers))).all():
        return "an answer is none of the classes"
    return None


def _array(column: Any) -> NDArray[np.float64]:
    """Return a column of numbers (R,), or of lists of as many numbers each (R, C)."""
    import pyarrow

    values = column.to_pylist() if pyarrow.types.is_list(column.type) else column.to_numpy()
    return np.array(values, dtype=np.float64)
