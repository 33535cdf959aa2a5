"""Whether all ranks of a run have read the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minbert.errors import UserError
from minbert.files.long_arrays import parts
from minbert.machine.ranks import ranks
from minbert.running.prepare import Prepared
from minbert.training.rows import Rows


def check_same_rows(prepared: Prepared) -> None:
    """Check that every rank has the rows that the first one has. Waits until all have read theirs.

    Raises:
        UserError: one has others; the message names the rank, the split and the task.
    """
    if ranks().alone:
        return
    splits = {"train": prepared.train, "dev": prepared.dev, "test": prepared.test}
    own = {f"{split} of {task}": _digest(rows) for split, parts in splits.items() for task, rows in parts.items()}
    of_ranks = ranks().collect(own)
    for rank, theirs in enumerate(of_ranks):
        for name in sorted(of_ranks[0].keys() | theirs.keys()):
            if of_ranks[0].get(name) != theirs.get(name):
                raise UserError(
                    f"rank {rank} has read other rows than rank 0: {name}. Give all machines the same files, and the "
                    "same versions of minbert and its packages."
                )


def _digest(rows: Rows) -> str:
    """Return a hash of what the encoder reads for the rows, and of what they answer."""
    read = rows.sequences
    lengths = read.lengths()
    packed = (
        read.pack(np.arange(part.start, part.stop)).token_ids.numpy()
        for part in parts(len(read), -(-len(read) // _parts(lengths)))
    )
    arrays: list[NDArray[Any]] = [read.rows, lengths, *([] if rows.labels is None else [rows.labels])]
    return _hashed((array[part] for array in arrays for part in parts(len(array))), packed)


def _parts(lengths: NDArray[np.int64]) -> int:
    """Return into how many parts to pack sequences, so that none takes much memory."""
    return 1 + int(lengths.sum()) // 1_000_000


def _hashed(*groups: Iterable[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for group in groups:
        for array in group:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
