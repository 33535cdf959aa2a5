"""Rows that a task shares: those of further files, which train it beside its own train file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from minbert.data.examples import Split, read_split
from minbert.data.relabelling import labels_of
from minbert.data.subsample import subsample
from minbert.data.task_files import TaskFiles
from minbert.data.text_column import TextColumn
from minbert.errors import UserError
from minbert.tasks.kinds import Kind


def read_shared(folder: Path, task: str, files: TaskFiles, kind: Kind, seed: int) -> list[Split]:
    """Return the rows of each further file of the task named ``task``, or the part of them that is wanted.

    Raises:
        BadDataError: rows cannot be used, those with a label that is not translated included.
        UserError: a file cannot be used as a whole, or has too few rows.
    """
    splits = []
    for shared in files.also_train_on:
        split = read_split(folder / shared.file, shared, labels_of(shared, kind))
        if shared.rows is not None:
            try:
                split = split.take(subsample(len(split), shared.rows, seed, f"{task} {shared.file}"))
            except ValueError as error:
                raise UserError(f"tasks.{task}.also_train_on: {split.path}: {error}.") from None
        splits.append(split)
    return splits


def joined(own: Split, shared: Sequence[Split]) -> Split:
    """Return the labelled rows of ``own``, then those of ``shared``; an id that stands already gets its file's name."""
    if not shared:
        return own
    splits = [own, *shared]
    labels = [split.labels for split in splits if split.labels is not None]
    return replace(
        own,
        ids=TextColumn.of(_distinct_ids(splits)),
        first=TextColumn.of(chain.from_iterable(split.first for split in splits)),
        second=None
        if own.second is None
        else TextColumn.of(chain.from_iterable(split.second or [] for split in splits)),
        labels=np.concatenate(labels),
        key=None,
        contents=None,
    )


def _distinct_ids(splits: Sequence[Split]) -> Iterator[str]:
    known: set[str] = set()
    for split in splits:
        for name in split.ids:
            while name in known:
                name = f"{split.path.name}:{name}"
            known.add(name)
            yield name
