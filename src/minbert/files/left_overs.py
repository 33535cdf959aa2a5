"""What a killed process leaves behind: half a file, or half a folder, under a name that says whose it was."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(  # older versions name no machine
    r"\.(?P<what>.+)\.(?:(?P<host>[0-9a-f]{8})-)?(?P<process>[0-9]+)\.partial", re.DOTALL
)
_DAY = 24 * 60 * 60.0


def partial_path(path: Path) -> Path:
    """Return the name under which this process writes what is to be ``path``."""
    return path.with_name(f".{path.name}.{_host()}-{os.getpid()}.partial")


def is_left_over(path: Path) -> bool:
    """Return whether this is what a process writes under ``partial_path``, by its name."""
    return path.name.startswith(".") and path.name.endswith(".partial")


def remove_left_over(path: Path) -> None:
    """Remove what processes that are no more wrote under their ``partial_path`` for ``path``.

    Whoever calls this has not begun to write there. So what bears this process's own number is of an earlier one: in a
    container, each start may have the same.
    """
    _remove_abandoned(place for place in path.parent.iterdir() if left_over_of(place) == path.name)


def remove_left_overs(folder: Path) -> None:
    """Remove what processes that are no more wrote anywhere in ``folder``; see ``remove_left_over``."""
    _remove_abandoned(folder.rglob(".*.partial"))


def left_over_of(path: Path) -> str | None:
    """Return the name that a process was to give to what it wrote here, None if this is no ``partial_path``."""
    match = _NAME.fullmatch(path.name)
    return match["what"] if match else None


def _remove_abandoned(places: Iterable[Path]) -> None:
    for place in list(places):
        match = _NAME.fullmatch(place.name)
        if match is None or not _is_abandoned(place, match["host"], int(match["process"])):
            continue
        with suppress(OSError):  # another process may collect as well, and a file system may be read-only
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink()


def _is_abandoned(place: Path, host: str | None, process: int) -> bool:
    """Return whether nobody writes there any more: of another machine's processes we only see what they wrote last."""
    if host in (None, _host()):
        return process == os.getpid() or not _is_alive(process)
    try:
        return time.time() - place.stat().st_mtime > _DAY
    except OSError:
        return False


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # where asking by a signal would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
