"""What outlives a power cut: each change of a folder is flushed to disk before the next begins."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minbert.errors import UserError

_worked_in: set[Path] = set()


def flush(path: Path) -> None:
    """Flush a file's content to disk, or a folder's entries: the names of what is in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are missing.

    Raises:
        UserError: one of them is a folder that this process works in (see ``working_in``), and somebody took it away.
        OSError: it cannot be made.
    """
    for place in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        if place.absolute() in _worked_in:
            raise UserError(
                f"{place}: was removed or renamed while this process worked in it. Put it back where it was and add "
                "--resume, or begin anew."
            ) from FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place))
        place.mkdir(exist_ok=True)
        flush(place.parent)
    folder.mkdir(exist_ok=True)  # which fails if it is a file


def remove(path: Path) -> None:
    """Remove a file, or a folder and all that is in it, if it is there; of a link the link alone.

    Raises:
        UserError: it cannot be removed.
    """
    if not os.path.lexists(path):
        return
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        flush(path.parent)
    except OSError as error:
        raise UserError(f"{path}: cannot be removed ({error.strerror}). Is its folder read-only?") from error


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Have nobody make ``folder`` anew until the body ends: what was in it would be missing there."""
    place = folder.absolute()
    _worked_in.add(place)
    try:
        yield
    finally:
        _worked_in.discard(place)
