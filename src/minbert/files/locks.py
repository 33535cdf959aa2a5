"""Which process works at what. The system frees a lock when its process ends, however it ends."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from minbert.errors import UserError
from minbert.files.durable import make_folder, working_in

_LOCK = ".lock"
_MOST_REMOVED = 100
"""So many times in a row a folder may be gone again before a file is in it."""


class BusyError(UserError):
    """Another process works in the folder, or writes the file."""

    def __init__(self, busy: str, holder: str, other: str) -> None:
        """``busy`` says what is not free, ``holder`` who has it, and ``other`` what could be chosen instead."""
        self.holder = holder
        """The process that has it, and since when."""
        super().__init__(f"{busy} ({holder}). Wait until it ends, or choose {other}.")


@contextmanager
def claimed(folder: Path, option: str = "--out") -> Iterator[None]:
    """Have ``folder``, which is made if need be, for this process alone until the body ends.

    What was made is removed again where the body leaves it empty. ``option`` names the folder on the command line.
    Where somebody takes the folder away meanwhile, nothing is written in its place.

    Raises:
        BusyError: another process has it; the message says which, since when, and what to do.
        UserError: the folder cannot be written to.
    """
    with _held(folder / _LOCK, f"{folder}: another process works in it", f"another {option}"), working_in(folder):
        yield


@contextmanager
def claimed_file(path: Path) -> Iterator[None]:
    """Have the name ``path`` for a file of this process alone until the body ends; see ``claimed``.

    The file's folder is made if need be. What stands at ``path`` is left as it is.
    """
    with _held(path.with_name(f".{path.name}{_LOCK}"), f"{path}: another process writes it", "another name"):
        yield


def is_lock(path: Path) -> bool:
    """Return whether this file says that a process has its folder, or a file in it. Without its process it is void."""
    return path.name.startswith(".") and path.name.endswith(_LOCK)


@contextmanager
def _held(lock: Path, busy: str, other: str) -> Iterator[None]:
    """Hold a lock of this name; ``busy`` says that another process does, ``other`` is what to choose instead."""
    missing = [place for place in lock.parents if not place.exists()]
    descriptor = _claim(lock, busy, other)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no file that is open
            lock.unlink()
        os.close(descriptor)
        with suppress(OSError):  # what is not empty stays
            for place in missing:
                place.rmdir()


def _claim(lock: Path, busy: str, other: str) -> int:
    folder, removed = lock.parent, 0
    while True:
        with _as_user_error(folder, other):
            try:
                make_folder(folder)
                descriptor = _open(lock)
            except FileNotFoundError:  # whoever had made the folder has just removed it
                removed += 1
                if removed == _MOST_REMOVED:  # no: it takes no file
                    raise
                continue
        if not _try(folder, descriptor):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise BusyError(busy, holder, other) from BlockingIOError()
        if _is_open(lock, descriptor):
            about = {"pid": os.getpid(), "host": socket.gethostname(), "since": int(time.time())}
            with suppress(OSError):  # a full disk, which whoever writes first tells; the lock holds without its words
                os.ftruncate(descriptor, 0)
                os.write(descriptor, json.dumps(about).encode())
            return descriptor
        os.close(descriptor)  # whoever had it has removed it before the lock was ours


def _is_open(path: Path, descriptor: int) -> bool:
    """Return whether the file at ``path`` is the one that is open, not a later one of its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    try:
        about = json.loads(os.read(descriptor, 1000))
        since = datetime.fromtimestamp(about["since"]).astimezone()
        return f"process {about['pid']} on {about['host']}, since {since:%Y-%m-%d %H:%M %Z}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has begun just now"


@contextmanager
def try_lock(folder: Path, name: str) -> Iterator[bool]:
    """Give whether the lock ``name`` of a sweep's folder is ours until the body ends; never waits."""
    with _named(folder, name) as descriptor:
        yield _try(folder, descriptor)


@contextmanager
def wait_for_lock(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock ``name`` of a sweep's folder until the body ends; for work of a moment."""
    with _named(folder, name) as descriptor:
        _wait(folder, descriptor)
        yield


@contextmanager
def _named(folder: Path, name: str) -> Iterator[int]:
    path = folder / ".locks" / name
    with _as_user_error(folder, "another --out"):
        make_folder(path.parent)
        descriptor = _open(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)


@contextmanager
def _as_user_error(folder: Path, other: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise UserError(f"{folder}: is a file; choose {other}.") from error
    except OSError as error:
        raise UserError(f"{folder}: cannot be written to ({error.strerror}); choose {other}.") from error


if sys.platform == "win32":
    import msvcrt

    _FAR = 2**30  # a byte that nobody writes: what is locked cannot be read there

    def _try(folder: Path, descriptor: int) -> bool:  # noqa: ARG001
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

    def _wait(folder: Path, descriptor: int) -> None:
        while not _try(folder, descriptor):
            time.sleep(0.1)

else:
    import fcntl

    def _try(folder: Path, descriptor: int) -> bool:
        try:
            with _lockable(folder):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(folder: Path, descriptor: int) -> None:
        with _lockable(folder):
            fcntl.flock(descriptor, fcntl.LOCK_EX)

    @contextmanager
    def _lockable(folder: Path) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:
            raise
        except OSError as error:
            raise UserError(
                f"{folder}: its file system cannot lock files ({error.strerror}); choose another."
            ) from error
