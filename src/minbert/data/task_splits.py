"""The rows of each split of a task: those of its file or, of dev without a file, those held out of the train file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minbert.data.examples import Split, read_split, same_content
from minbert.data.relabelling import labels_of
from minbert.data.task_files import TaskFiles
from minbert.errors import UserError
from minbert.tasks.kinds import Kind

Keys = NDArray[np.uint64]


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

    See ``held_out_rows``.

    Raises:
        UserError: there are too few contents.
    """
    assert rows.labels is not None
    held_out = held_out_rows(content_keys(rows.first, rows.second), rows.labels, files, kind, rows.path, name=name)
    return rows.take(np.flatnonzero(held_out if split == "dev" else ~held_out))


def content_keys(first: Sequence[str], second: Sequence[str] | None) -> Keys:
    """Return a key (R, 2) of what each row says: the start of the SHA-256 of ``same_content``."""
    contents = (same_content(texts) for texts in zip(first, first if second is None else second, strict=True))
    digests = b"".join(hashlib.sha256(content.encode()).digest()[:16] for content in contents)
    return np.frombuffer(digests, ">u8").reshape(-1, 2).astype(np.uint64)


def held_out_rows(
    keys: Keys, labels: NDArray[np.float64], files: TaskFiles, kind: Kind, path: Path, *, name: str
) -> NDArray[np.bool_]:
    """Return which rows (R,) of a train file are held out as dev, by the keys (R, 2) of what they say, and labels.

    Rows of the same content stay together. Which are held out follows from contents and labels alone, not from the
    seed, so runs with different seeds are scored on the same rows. Of each label, as large a part is held out as of all
    (systematic sampling of the contents, ordered by label and then by hash); a class with a single text is trained on.

    Raises:
        UserError: there are too few contents.
    """
    assert files.held_out is not None
    by_key = np.lexsort((keys[:, 1], keys[:, 0]))  # stable: a content's first row comes first
    is_first = np.append(True, (keys[by_key[1:]] != keys[by_key[:-1]]).any(axis=1))
    content = np.empty(len(keys), np.int64)
    content[by_key] = np.cumsum(is_first) - 1
    label = labels[by_key[is_first]]
    wanted, contents = files.held_out, len(label)
    share = wanted / len(keys) if isinstance(wanted, int) else float(wanted[:-1]) / 100
    count = max(1, round(share * contents))
    candidates = np.lexsort(label.reshape(contents, -1).T[::-1])  # stable: of a label, by key
    if kind.class_names and labels.ndim == 1:
        _, class_of, times = np.unique(label, return_inverse=True, return_counts=True)
        candidates = candidates[times[class_of[candidates]] > 1]
    if count >= contents or count > len(candidates):
        raise UserError(
            f"{path}: its {contents:,} different texts are too few to hold {wanted} of them out as dev. "
            f"Change tasks.{name}.held_out, or name a dev file."
        )
    held_out = np.zeros(contents, np.bool_)
    held_out[candidates[((np.arange(count) + 0.5) * len(candidates) / count).astype(np.int64)]] = True
    return held_out[content]
