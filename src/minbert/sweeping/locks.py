"""Which process works at what. The system frees a lock when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minbert.errors import UserError


@contextmanager
def try_lock(folder: Path, name: str) -> Iterator[bool]:
    """Give whether the lock ``name`` of a sweep's folder is ours until the body ends; never waits."""
    with _file(folder, name) as descriptor:
        try:
            _lock(folder, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def wait_for_lock(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock ``name`` of a sweep's folder until the body ends; for work of a moment."""
    with _file(folder, name) as descriptor:
        _lock(folder, descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _file(folder: Path, name: str) -> Iterator[int]:
    path = folder / ".locks" / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another --out.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(folder: Path, descriptor: int, how: int) -> None:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        raise
    except OSError as error:
        raise UserError(f"{folder}: its file system cannot lock files ({error.strerror}); choose another.") from error
