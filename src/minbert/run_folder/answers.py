"""What a run's folder holds of its model's answers: prediction files, and dev's answers with labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from minbert.data.examples import Split
from minbert.evaluation.answers import Answers, write_answers
from minbert.evaluation.predicting import SplitTask
from minbert.evaluation.prediction_files import write_task_predictions
from minbert.recipe.recipe import TaskRecipe
from minbert.tasks.predictions import Predictions
from minbert.training.rows import Rows


def write_predicted(
    folder: Path,
    tasks: Mapping[str, TaskRecipe],
    rows: Mapping[SplitTask, Rows] | Mapping[SplitTask, Split],
    predicted: Mapping[SplitTask, Predictions],
) -> None:
    """Write what was predicted for ``rows`` into ``folder``: a prediction file a split and task, answers for dev.

    Raises:
        UserError: the folder cannot be written to.
    """
    for (split, name), values in predicted.items():
        task, part = tasks[name], rows[split, name]
        write_task_predictions(folder, split, name, task.output, part.ids, values, task.kind)
        if split == "dev":
            assert part.labels is not None
            write_answers(folder, name, split, Answers(part.ids, part.labels, values))
