"""The state of a large file on the disk: while it is the same, the file need not be read again to be known."""

from __future__ import annotations

import os
import time
from pathlib import Path

LARGE = 2**24
"""Bytes: what is smaller is read again in some hundredths of a second."""

_SETTLED = 2 * 10**9
"""Nanoseconds. Within so many after a change, another may leave a file with the same times on some file systems."""


def settled_state(path: Path) -> dict[str, int] | None:
    """Return the inode, size and times of a large file; None where they need not show its next change.

    The time of the last change to the inode is among them: every write moves it, and no program can set it back, as it
    can the time of modification. Windows has no such time. A file that changed a moment ago may change again within
    the same time.
    """
    try:
        stat = path.stat()
    except OSError:
        return None
    if stat.st_size < LARGE or os.name == "nt" or stat.st_ctime_ns >= time.time_ns() - _SETTLED:
        return None
    return {
        "device": stat.st_dev,
        "inode": stat.st_ino,
        "size": stat.st_size,
        "modified": stat.st_mtime_ns,
        "changed": stat.st_ctime_ns,
    }
