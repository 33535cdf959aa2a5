"""What is worked out once and kept for later runs: folders in the user's cache, each named by a key of its content."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from minbert.errors import UserError
from minbert.files.folders import new_folder
from minbert.files.left_overs import left_over_of, remove_left_over
from minbert.files.locks import BusyError, claimed_file
from minbert.files.paths import to_path

VARIABLE = "MINBERT_CACHE"
"""The environment variable that names the cache folder."""

_LOOK_AGAIN = 0.5


def cache_folder() -> Path:
    """Return where the cache is: what ``MINBERT_CACHE`` names, or ``minbert`` in the user's cache folder."""
    if given := os.environ.get(VARIABLE):
        return to_path(given)
    return to_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "minbert"


def cached_folder(
    kind: str,
    key: str,
    make: Callable[[Path], None],
    on_waiting: Callable[[BusyError], None] = lambda busy: None,  # noqa: ARG005
) -> Path:
    """Return the folder of this ``kind`` and ``key`` in the cache, made if it is not there.

    Args:
        kind: what such folders hold; a folder of the cache.
        key: changes with everything that what is made follows from.
        make: fills an empty folder. If it fails, or its process is killed, nothing of it stays:
            what a killed process left is removed when the next folder of this kind is made.
        on_waiting: told once if another process is making the folder; then its end is waited for.

    Raises:
        UserError: the cache cannot be written to; or ``make`` raises it.
    """
    folder = cache_folder() / kind / key
    _check_writable(folder.parent)
    told = False
    while not folder.is_dir():
        try:
            with new_folder(folder) as temporary:
                _collect(folder.parent)
                make(temporary)
        except BusyError as busy:
            if not told:
                on_waiting(busy)
            told = True
            time.sleep(_LOOK_AGAIN)
        except UserError:
            if not folder.is_dir():  # else another process has made it at this moment
                raise
    return folder


def _check_writable(place: Path) -> None:
    reason: str | None = "no permission"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(
            f"{place}: the cache cannot be written to ({reason}). Set the environment variable {VARIABLE} to a folder "
            "that can."
        )


def _collect(place: Path) -> None:
    """Remove what killed processes were making: nobody holds its name any more."""
    for entry in list(place.iterdir()):
        if (name := left_over_of(entry)) is not None:
            with suppress(BusyError), claimed_file(place / name):
                remove_left_over(place / name)
