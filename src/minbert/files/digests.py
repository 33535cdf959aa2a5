"""The SHA-256 of large files, remembered as long as a file has not been touched."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from minbert.errors import UserError, printable
from minbert.files import sha256, write_json
from minbert.files.cache import cached_folder
from minbert.files.json_text import read_json

DIGESTS = "digests"
"""In the cache: a folder for each large file."""

REMEMBERED_FROM = 2**24
"""Bytes: what is smaller is read in some hundredths of a second."""

_ABOUT = "about.json"

_SETTLED = 2 * 10**9
"""Nanoseconds. Within so many after a change, another may leave a file with the same times on some file systems."""


def remembered_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file; a large one is not read again while it is the same.

    It is the same while its inode, size and times are. The time of the last change to the inode is among them: every
    write moves it, and no program can set it back, as it can the time of modification. A file that changed a moment
    ago is not trusted to show its next change, so it is read again the next time.

    Raises:
        UserError: it cannot be read.
    """
    state = _state(path)
    if state is None or state["size"] < REMEMBERED_FROM or os.name == "nt":  # where files have no such time
        return sha256(path)
    if state["changed"] >= time.time_ns() - _SETTLED:
        return sha256(path)

    def make(folder: Path) -> None:
        digest = sha256(path)
        if _state(path) != state:
            raise UserError(f"{path}: changed while it was read.")
        write_json(folder / _ABOUT, {"file": printable(str(path)), "state": state, "sha256": digest})

    key = hashlib.sha256(json.dumps([os.fsdecode(path.resolve()), state]).encode()).hexdigest()
    try:
        return str(read_json(cached_folder(DIGESTS, key, make) / _ABOUT)["sha256"])
    except UserError:  # a cache that cannot be written costs time, nothing else
        return sha256(path)


def _state(path: Path) -> dict[str, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return {
        "device": stat.st_dev,
        "inode": stat.st_ino,
        "size": stat.st_size,
        "modified": stat.st_mtime_ns,
        "changed": stat.st_ctime_ns,
    }
