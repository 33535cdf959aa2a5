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
            table = parquet.read_table(file)
        names = (table.schema.metadata or {}).get(_CLASSES, b"").decode()
        columns = {name: table.column(name) for name in table.column_names}
        arrays = {name: _array(column) for name, column in columns.items() if name != "id"}
        classes = names.split("\n") if names else []
        predicted = Predictions(arrays["prediction"], arrays.get("probabilities"), classes)
        return Answers(columns["id"].to_pylist(), arrays["label"], predicted)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. Is {folder} a finished run that had this task?") from None
    except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be read ({reason}). Is it cut short? Train the run again.") from error


def _array(column: Any) -> NDArray[np.float64]:
    import pyarrow

    if pyarrow.types.is_list(column.type):
        return np.array(column.to_pylist(), dtype=np.float64)
    numbers: NDArray[np.float64] = column.to_numpy()
    return numbers
