"""The rows of large files: read and checked once, and kept in the cache for later runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from minbert.data.examples import Split, content_hashes
from minbert.data.task_files import Columns, TaskFiles
from minbert.data.task_splits import read_task_split
from minbert.data.text_column import TextColumn
from minbert.errors import UserError
from minbert.files import write_json
from minbert.files.cache import NoCacheError, cached_folder
from minbert.files.digests import remembered_sha256
from minbert.files.json_text import read_json
from minbert.files.long_arrays import mapped
from minbert.tasks.kinds import Kind

ROWS = "rows"
"""In the cache: a folder for each split of a task whose file is large."""

LARGE = 2**24
"""Bytes. Smaller files are read and tokenized in some seconds, and nothing of them is kept outside the run."""

_ABOUT, _FACTS = "about.json", "facts.json"
_LABELS, _CONTENTS = "labels.float64", "contents.uint64"


def kept_task_split(
    folder: Path,
    files: TaskFiles,
    kind: Kind,
    split: str,
    labelled: bool | None = True,
    *,
    name: str,
    note: Callable[[str], None],
) -> Split:
    """Return what ``read_task_split`` does; of a large file, from the cache if it is there, else it is put there.

    The key is made of the file's SHA-256, of all that says how it is read, and of minbert's version. So what changed is
    never served from the cache. ``note`` is told if another process is reading the same rows, whose end is waited for,
    and if the cache cannot be written to.

    Raises:
        UserError: see ``read_task_split``; or the file changes while it is read, or there is no room in the cache.
    """
    path = folder / files.split_files[split]

    def read() -> Split:
        return read_task_split(folder, files, kind, split, labelled, name=name)

    if not path.is_file() or path.stat().st_size < LARGE:
        return read()
    about = {
        "file": path.name,
        "sha256": remembered_sha256(path),
        "columns": {key: getattr(files, key) for key in Columns.model_fields},
        "kind": kind.model_dump(mode="json"),
        "labelled": labelled,
        "part": None if files.held_out is None or split == "test" else [files.held_out, split],
        "minbert": version("minbert"),
    }

    def make(kept: Path) -> None:
        _write(read(), kept)
        if remembered_sha256(path) != about["sha256"]:
            raise UserError(f"{path}: changed while it was read. Start again.")
        write_json(kept / _ABOUT, about)

    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    try:
        kept = cached_folder(
            ROWS,
            key,
            make,
            lambda busy: note(f"the rows of {path}: another process makes them ({busy.holder}). This one waits."),
        )
    except NoCacheError as error:
        note(f"{path}: is read anew at each start. {error}")
        return read()
    return _read(kept, path, key)


def _write(rows: Split, folder: Path) -> None:
    for name, column in (("ids", rows.ids), ("first", rows.first), ("second", rows.second)):
        if column is not None:
            assert isinstance(column, TextColumn)
            column.write(folder / name)
    content_hashes(rows).tofile(folder / _CONTENTS)
    facts: dict[str, Any] = {key: getattr(rows, key) for key in ("incomplete", "first_incomplete", "withheld")}
    if rows.labels is not None:
        rows.labels.tofile(folder / _LABELS)
        facts["label"] = rows.labels.shape[1:]
    write_json(folder / _FACTS, facts)


def _read(folder: Path, path: Path, key: str) -> Split:
    facts = read_json(folder / _FACTS)
    shape = facts.pop("label", None)
    return Split(
        path,
        ids=TextColumn.mapped(folder / "ids"),
        first=TextColumn.mapped(folder / "first"),
        second=TextColumn.mapped(folder / "second") if (folder / "second").exists() else None,
        labels=None if shape is None else mapped(folder / _LABELS, np.float64).reshape(-1, *shape),
        contents=mapped(folder / _CONTENTS, np.uint64),
        key=key,
        **facts,
    )
