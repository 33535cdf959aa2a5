"""The texts that a run's answers were given to, read again from the recipe's data folder if they are still there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minbert.data.places import resolve_data
from minbert.data.task_splits import read_task_split
from minbert.errors import UserError
from minbert.reporting.records import RunRecords


class NoTexts(Exception):  # noqa: N818  (no error: a report does without them)
    """The texts cannot be had; says why, to follow a colon."""


def answered_texts(run: RunRecords, task: str) -> list[Sequence[str]]:
    """Return the text, or the two texts, of each row that ``run.answers[task]`` answers.

    A run keeps no texts, so they are those of the dev file as it is now; ids and labels tell whether it is the same.

    Raises:
        NoTexts: the recipe or the file is gone, or the file has other rows by now.
    """
    if run.recipe is None:
        raise NoTexts("no recipe names their files")
    answers, settings = run.answers[task], run.recipe.tasks[task]
    if "dev" not in settings.split_files:
        raise NoTexts("the recipe names no dev file")
    try:
        split = read_task_split(resolve_data(run.recipe.data), settings, settings.kind, "dev", name=task)
    except UserError as error:
        raise NoTexts(str(error).partition("\n")[0]) from None
    assert split.labels is not None
    rows = {row_id: row for row, row_id in enumerate(split.ids)}
    known = zip(answers.ids, answers.labels, strict=True)
    if any(row_id not in rows or not np.array_equal(split.labels[rows[row_id]], label) for row_id, label in known):
        raise NoTexts(f"{split.path} has other rows or labels by now")
    texts = split.texts
    return [(text,) if isinstance(text := texts[rows[row_id]], str) else text for row_id in answers.ids]
