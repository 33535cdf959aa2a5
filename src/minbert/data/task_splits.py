"""The rows of each split of a task: those of its file or, of dev without a file, those held out of the train file."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from minbert.data.examples import Split, read_split, same_content
from minbert.data.relabelling import labels_of
from minbert.data.task_files import TaskFiles
from minbert.errors import UserError
from minbert.tasks.kinds import Kind


def read_task_split(
    folder: Path, files: TaskFiles, kind: Kind, split: str, labelled: bool | None = True, *, name: str
) -> Split:
    """Return a task's rows of ``split``, one of ``files.split_files``; see ``read_split``.

    Args:
        folder: the data folder.
        files: the task's files.
        kind: what its labels are.
        split: train, dev or test.
        labelled: see ``read_split``; rows that are held out are drawn by their labels, so those are read.
        name: the task's name, for messages.

    Raises:
        UserError: see ``read_split``, or too few rows are there to hold some out.
    """
    path = folder / files.split_files[split]
    if files.held_out is None or split == "test":
        return read_split(path, files, labels_of(files, kind), labelled)
    return held_out_part(read_split(path, files, labels_of(files, kind)), files, kind, split, name=name)


def held_out_part(rows: Split, files: TaskFiles, kind: Kind, split: str, *, name: str) -> Split:
    """Return those of the train file's ``rows`` that are left to train on, or those held out as dev.

    Rows of the same content stay together. Which are held out follows from contents and labels alone, not from the
    seed, so runs with different seeds are scored on the same rows. Of each label, as large a part is held out as of all
    (systematic sampling of the contents, ordered by label and then by hash); a class with a single text is trained on.

    Raises:
        UserError: there are too few contents.
    """
    assert files.held_out is not None
    assert rows.labels is not None
    contents = [same_content(texts) for texts in zip(rows.first, rows.second or rows.first, strict=True)]
    first_row = {content: row for row, content in reversed(list(enumerate(contents)))}
    label = {content: tuple(np.atleast_1d(rows.labels[row]).tolist()) for content, row in first_row.items()}
    wanted = files.held_out
    share = wanted / len(rows) if isinstance(wanted, int) else float(wanted[:-1]) / 100
    count = max(1, round(share * len(label)))
    candidates = sorted(label, key=lambda content: (label[content], hashlib.sha256(content.encode()).digest()))
    if kind.class_names and rows.labels.ndim == 1:
        times = Counter(label.values())
        candidates = [content for content in candidates if times[label[content]] > 1]
    if count >= len(label) or count > len(candidates):
        raise UserError(
            f"{rows.path}: its {len(label):,} different texts are too few to hold {wanted} of them out as dev. "
            f"Change tasks.{name}.held_out, or name a dev file."
        )
    chosen = {candidates[int((place + 0.5) * len(candidates) / count)] for place in range(count)}
    held_out = np.array([content in chosen for content in contents])
    return rows.take(np.flatnonzero(held_out if split == "dev" else ~held_out))
