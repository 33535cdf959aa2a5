"""Where a command may write: never over what it reads, and over nothing that is there unless it is asked to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from minbert.errors import UserError
from minbert.files.left_overs import is_left_over
from minbert.files.locks import claimed_file, is_lock

_STANDARD_INPUT = Path("-")


@contextmanager
def new_file(path: Path, inputs: Sequence[Path] = (), *, force: bool, suffixes: Sequence[str]) -> Iterator[None]:
    """Have ``path`` for this process alone, to write a new file there in the body: every command's work.

    Args: as for ``check_output``.

    Raises:
        BusyError: another process is about to write there.
        UserError: no new file may be written there, or none can.
    """
    check_output(path, inputs, force=force, suffixes=suffixes)
    with claimed_file(path):
        check_output(path, inputs, force=force, suffixes=suffixes)  # another process may have ended in between
        yield


def check_output(path: Path, inputs: Iterable[Path] = (), *, force: bool, suffixes: Sequence[str]) -> None:
    """Check that a new file may be written at ``path``.

    Args:
        path: the file to be.
        inputs: files and folders that are read; ``-`` is standard input. None of them is ever written over, nor a
            file that stands in one of the folders.
        force: whether a file that is there may be replaced.
        suffixes: those of the formats that can be written there, in lower case.

    Raises:
        UserError: it may not.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give the file to write, for example {path / f'out{suffixes[0]}'}.")
    if path.suffix.lower() not in suffixes:
        *others, last = suffixes
        known = f"{', '.join(others)} or {last}" if others else last
        raise UserError(f"{path}: the name must end in {known}, which chooses the format.")
    if not os.path.lexists(path):
        parent = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
        if not parent.is_dir():
            raise UserError(f"{path}: cannot be written, because {parent} is no folder. Choose another place.")
        return
    if any(_is_part_of(path, source) for source in inputs):
        raise UserError(f"{path}: is an input of this command, so it is not written over. Choose another name.")
    if not path.is_file():
        raise UserError(f"{path}: exists and is not a file. Choose another name.")
    if not force:
        raise UserError(f"{path}: exists already. Choose another name, or add --force to replace it.")


def is_vacant(folder: Path) -> bool:
    """Return whether nothing is at ``folder``, or a folder that holds nothing but what a killed process left there."""
    if not os.path.lexists(folder):
        return True
    return folder.is_dir() and all(is_lock(path) or is_left_over(path) for path in folder.iterdir())


def _is_part_of(path: Path, source: Path) -> bool:
    """Return whether ``path`` is the file ``source``, by whatever name or link, or stands in the folder ``source``."""
    place = Path("/dev/stdin") if source == _STANDARD_INPUT else source
    try:
        return path.samefile(place) or (place.is_dir() and path.resolve().is_relative_to(place.resolve()))
    except OSError:  # the input is not there, which whoever reads it will tell
        return False
