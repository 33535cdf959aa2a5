"""The SHA-256 of large files, remembered as long as a file has not been touched."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from minbert.errors import UserError
from minbert.files import sha256, write_json
from minbert.files.cache import cache_folder
from minbert.files.json_text import read_json

REMEMBERED_FROM = 2**24
"""Bytes: what is smaller is read in some hundredths of a second."""

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
    memory = cache_folder() / "digests" / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()}.json"
    with suppress(UserError):  # it is not there, or damaged
        remembered: Any = read_json(memory)
        if isinstance(remembered, dict) and remembered.get("state") == state and _is_digest(remembered.get("sha256")):
            return str(remembered["sha256"])
    now = time.time_ns()
    digest = sha256(path)
    if _state(path) == state and state["changed"] < now - _SETTLED:
        with suppress(UserError):  # a cache that cannot be written costs time, nothing else
            write_json(memory, {"file": str(path), "state": state, "sha256": digest})
    return digest


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64


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
