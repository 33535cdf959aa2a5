"""Folders that are either whole or not there: written under a temporary name, renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minbert.errors import UserError
from minbert.files import cannot_be_written
from minbert.files.durable import flush
from minbert.files.left_overs import partial_path, remove_left_over
from minbert.files.locks import claimed_file
from minbert.files.outputs import is_vacant


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside ``folder`` to write into; on success it takes the place of ``folder``.

    If the body fails, whatever it wrote is removed. The name is this process's alone until the body ends.

    Raises:
        BusyError: another process is about to write there.
        UserError: something is at ``folder`` already, or it cannot be written.
    """
    check_vacant(folder)
    with claimed_file(folder):
        check_vacant(folder)  # another process may have ended in between
        temporary = partial_path(folder)
        try:
            remove_left_over(folder)
            temporary.mkdir()
            yield temporary
            for path in (*temporary.rglob("*"), temporary):  # not all that writes into a folder flushes
                flush(path)
            if folder.is_dir():
                folder.rmdir()
            temporary.rename(folder)
            flush(folder.parent)
        except OSError as error:
            named = [Path(name) for name in (error.filename, error.filename2) if isinstance(name, str | os.PathLike)]
            if named and not any(name in (folder, folder.parent) or name.is_relative_to(temporary) for name in named):
                raise  # some other file that the body touched: not ours to explain
            raise cannot_be_written(folder, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_vacant(folder: Path) -> None:
    """Check that a new folder may be written at ``folder``: nothing is there, or an empty one.

    Raises:
        UserError: something is.
    """
    if not is_vacant(folder):
        what = "exists and is not empty" if folder.is_dir() else "exists and is no folder"
        raise UserError(f"{folder}: {what}; choose another folder.")
