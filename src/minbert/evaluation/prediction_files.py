"""Prediction files in the format of the course (CS 224N's default project), which its graders read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from minbert.files import write_text
from minbert.methods import Settings
from minbert.tasks.kinds import Kind
from minbert.tasks.predictions import Predictions


class PredictionFile(Settings):
    """How a task's prediction files are called."""

    file: str = Field(pattern=r"^[\w.-]+$", description="the files are FILE-dev-output.csv and FILE-test-output.csv")
    column: str = Field(description="what the header calls the predicted value")


def write_predictions(path: Path, column: str, ids: Sequence[str], predicted: Predictions, kind: Kind) -> None:
    """Write a header and a line ``ID , VALUE`` a row.

    As in the course, a class is a whole number, yes and no are ``1.0`` and ``0.0``, and a score is a decimal number.
    Several classes a row are their numbers with bars between, or ``none``.
    """
    values = [kind.course_value(value) for value in predicted.values]
    lines = [f"{row} , {value} \n" for row, value in zip(ids, values, strict=True)]
    write_text(path, f"id \t {column} \n" + "".join(lines))


def write_task_predictions(
    folder: Path,
    split: str,
    task: str,
    output: PredictionFile | None,
    ids: Sequence[str],
    predicted: Predictions,
    kind: Kind,
) -> Path:
    """Write a task's predictions for a split to ``folder``/predictions, under the names that its recipe gives.

    Returns the file.
    """
    named = output or PredictionFile(file=task, column="Predicted")
    path = folder / "predictions" / f"{named.file}-{split}-output.csv"
    write_predictions(path, named.column, ids, predicted, kind)
    return path
