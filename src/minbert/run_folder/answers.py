"""What a run's folder holds of its model's answers: prediction files, dev's answers with labels, checksums."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from minbert.data.examples import Split
from minbert.evaluation.answers import Answers, write_answers
from minbert.evaluation.predicting import SplitTask
from minbert.evaluation.prediction_files import write_task_predictions
from minbert.files.checksums import CHECKSUMS, write_checksums
from minbert.files.durable import remove
from minbert.recipe.recipe import TaskRecipe
from minbert.run_folder.whole import describing_files
from minbert.tasks.predictions import Predictions
from minbert.training.rows import Rows


def write_predicted(
    folder: Path,
    tasks: Mapping[str, TaskRecipe],
    rows: Mapping[SplitTask, Rows] | Mapping[SplitTask, Split],
    predicted: Mapping[SplitTask, Predictions],
) -> None:
    """Write what was predicted for ``rows`` into ``folder``: a prediction file a split and task, answers for dev.

    ``read_answers`` and ``check_whole`` check by the checksums, which are also of the files that describe the model.
    They are written last; those of before go first, as they would be wrong.

    Raises:
        UserError: the folder cannot be written to.
    """
    remove(folder / CHECKSUMS)
    written = []
    for (split, name), values in predicted.items():
        task, part = tasks[name], rows[split, name]
        written.append(write_task_predictions(folder, split, name, task.output, part.ids, values, task.kind))
        if split == "dev":
            assert part.labels is not None
            written.append(write_answers(folder, name, split, Answers([*part.ids], part.labels, values)))
    write_checksums(folder, [*describing_files(folder), *written])
