"""A model's answers to the rows of several splits and tasks, and what they score."""

from __future__ import annotations

from collections.abc import Mapping

from minbert.data.examples import Split
from minbert.display.progress import Display
from minbert.machine.precision import Precision
from minbert.multitask.inference import task_predictions
from minbert.multitask.model import MultitaskModel
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings
from minbert.training.rows import Rows
from minbert.training.scoring import DevScores, score_dev

SplitTask = tuple[str, str]
"""A split and a task, by their names."""


def predict_rows(
    model: MultitaskModel, rows: Mapping[SplitTask, Rows], precision: Precision, display: Display, what: str
) -> dict[SplitTask, Predictions]:
    """Return the model's predictions for all ``rows``; ``what`` is what progress calls it.

    Raises:
        NotFiniteAnswersError: see ``task_predictions``.
    """
    with display.counting(what, sum(len(part.sequences) for part in rows.values())) as bar:
        return {
            (split, task): task_predictions(model, task, part.sequences, precision, bar.advance)
            for (split, task), part in rows.items()
        }


def score_predictions(
    tasks: Mapping[str, TaskSettings],
    rows: Mapping[SplitTask, Rows] | Mapping[SplitTask, Split],
    predicted: Mapping[SplitTask, Predictions],
) -> DevScores:
    """Return the scores of what was predicted for the rows of dev; see ``score_dev``."""
    answers = {}
    for (split, task), values in predicted.items():
        if split == "dev":
            labels = rows[split, task].labels
            assert labels is not None
            answers[task] = (values, labels)
    return score_dev(tasks, answers)
