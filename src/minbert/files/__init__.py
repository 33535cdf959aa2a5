"""Files that are either whole or not there: written under a temporary name, flushed, renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from minbert.errors import UserError
from minbert.files.durable import flush, make_folder
from minbert.files.left_overs import partial_path, remove_left_over


@contextmanager
def atomic_path(path: Path, size: int | None = None) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it is flushed to disk and renamed to ``path``.

    If the body fails, whatever it wrote is removed and an existing ``path`` stays as it was. A process that is killed
    leaves its temporary file, which the next writing of ``path`` removes. ``size`` is how many bytes are to be
    written, where that is known; a message tells it.

    Raises:
        UserError: the folder cannot be written to, or the disk is full.
    """
    temporary = partial_path(path)
    try:
        make_folder(path.parent)
        remove_left_over(path)
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # some libraries write files that only their owner can read
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    except OSError as error:
        named = [Path(name) for name in (error.filename, error.filename2) if isinstance(name, str | os.PathLike)]
        if named and not {temporary, path, *path.parents}.intersection(named):
            raise  # some other file that the body touched: not ours to explain
        raise cannot_be_written(path, error, size) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def cannot_be_written(path: Path, error: OSError, size: int | None = None) -> UserError:
    """Return what to tell of a file, or a folder, that could not be written; ``size`` as for ``atomic_path``."""
    reason = os.strerror(error.errno) if error.errno else str(error)  # some libraries write a text of their own
    return UserError(
        f"{path}: cannot be written ({reason}{_room(path.parent, size, error)}). Free some space or choose another "
        "place; what stood there before is unharmed."
    )


def _room(folder: Path, size: int | None, error: OSError) -> str:
    """Return what a message says of the room on a disk that is full; nothing where that is not what went wrong."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ""
    needed = "" if size is None else f"; it takes {size / 2**20:,.1f} MiB"
    return f"{needed}; {shutil.disk_usage(folder).free / 2**20:,.1f} MiB are free"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically (see ``atomic_path``)."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` the file that ``source`` is, atomically (see ``atomic_path``).

    Where the file system can, both are names of one file that takes its room on disk once. So neither may ever be
    written to in place: whatever ``atomic_path`` writes later under one name leaves the other as it is.
    """
    with atomic_path(target) as temporary:
        try:
            temporary.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, temporary)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. Numbers that JSON does not know (NaN) are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
