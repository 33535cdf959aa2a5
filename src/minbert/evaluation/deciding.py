"""What a task leaves to dev: the thresholds of its classes, chosen on a model's answers and kept in its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from minbert.data.examples import Split
from minbert.evaluation.predicting import SplitTask
from minbert.multitask.model_files import write_kinds
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings
from minbert.training.rows import Rows


def chosen_on_dev(
    tasks: Mapping[str, TaskSettings],
    rows: Mapping[SplitTask, Rows] | Mapping[SplitTask, Split],
    predicted: Mapping[SplitTask, Predictions],
) -> dict[str, TaskSettings]:
    """Return those tasks whose kinds leave something to dev, with that chosen on what was predicted for its rows."""
    chosen = {}
    for name, task in tasks.items():
        labels = rows["dev", name].labels if ("dev", name) in rows else None
        if task.kind.decides_on_dev and labels is not None:
            chosen[name] = task.fitted(predicted["dev", name], labels)
    return chosen


def decided(
    chosen: Mapping[str, TaskSettings], predicted: Mapping[SplitTask, Predictions]
) -> dict[SplitTask, Predictions]:
    """Return what was predicted, those of the ``chosen`` tasks decided as they say."""
    return {
        (split, name): chosen[name].kind.decided(given.probabilities)
        if name in chosen and given.probabilities is not None
        else given
        for (split, name), given in predicted.items()
    }


def decide_on_dev(
    folder: Path,
    tasks: Mapping[str, TaskSettings],
    rows: Mapping[SplitTask, Rows] | Mapping[SplitTask, Split],
    predicted: Mapping[SplitTask, Predictions],
) -> dict[SplitTask, Predictions]:
    """Choose on dev what ``tasks`` leave to it, write that into the model's files, and return what follows from it."""
    chosen = chosen_on_dev(tasks, rows, predicted)
    if chosen:
        write_kinds(folder, {name: task.kind for name, task in chosen.items()})
    return decided(chosen, predicted)
