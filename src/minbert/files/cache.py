"""What is worked out once and kept for later runs: folders in the user's cache, each named by a key of its content."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from minbert.errors import UserError
from minbert.files.folders import new_folder
from minbert.files.left_overs import left_over_of, partial_path, remove_left_over
from minbert.files.locks import BusyError, claimed_file
from minbert.files.paths import to_path
from minbert.files.seals import SEAL, broken_seal, seal

logger = logging.getLogger(__name__)

VARIABLE = "MINBERT_CACHE"
"""The environment variable that names the cache folder."""
KEPT_DAYS = "MINBERT_CACHE_DAYS"
"""The environment variable that says how many days a folder stays that no run uses."""

_DAYS = 30
_LOOK_AGAIN = 0.5


class NoCacheError(UserError):
    """The cache cannot be written to."""


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

    All of it is read to see that it is as it was made. One that is damaged is told, thrown away and made anew. Before a
    folder is made, those of all kinds go that no run has used for ``MINBERT_CACHE_DAYS`` days.

    Args:
        kind: what such folders hold; a folder of the cache.
        key: changes with everything that what is made follows from.
        make: fills an empty folder. If it fails, or its process is killed, nothing of it stays:
            what a killed process left is removed when the next folder of this kind is made.
        on_waiting: told once if another process is making the folder; then its end is waited for.

    Raises:
        NoCacheError: the cache cannot be written to.
        UserError: ``make`` raises it, or there is no room.
    """
    days = _kept_days()
    cache = cache_folder()
    folder = cache / kind / key
    _check_writable(cache, folder.parent)
    told = False
    while not _is_whole(folder):
        try:
            _throw_away_damaged(folder)
            with new_folder(folder) as temporary:
                _collect(folder.parent)
                _remove_unused(cache, days)
                make(temporary)
                seal(temporary)
            break
        except BusyError as busy:
            if not told:
                on_waiting(busy)
            told = True
            time.sleep(_LOOK_AGAIN)
        except UserError:
            if not _is_whole(folder):  # else another process has made it at this moment
                raise
    return folder


def _kept_days() -> int:
    given = os.environ.get(KEPT_DAYS) or str(_DAYS)
    if not (given.isdecimal() and int(given)):
        raise UserError(f"{KEPT_DAYS}={given}: must be a whole number of days, 1 or more.")
    return int(given)


def _check_writable(cache: Path, place: Path) -> None:
    """Make the folder ``place`` of the cache. What runs read is the user's own: nobody else may look into the cache."""
    reason: str | None = "no permission"
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.mkdir(mode=0o700, exist_ok=True)
        place.mkdir(exist_ok=True)
    except OSError as error:
        reason = error.strerror
    if not os.access(place, os.W_OK | os.X_OK):
        raise NoCacheError(
            f"{place}: the cache cannot be written to ({reason}). Set the environment variable {VARIABLE} to a folder "
            "that can."
        )


def _is_whole(folder: Path) -> bool:
    """Return whether the folder is there and undamaged; it counts as used now."""
    with suppress(OSError):
        os.utime(folder / SEAL)
    return folder.exists() and broken_seal(folder) is None


def _throw_away_damaged(folder: Path) -> None:
    """Remove what is in the folder's place and not whole."""
    if not os.path.lexists(folder):
        return
    with claimed_file(folder):
        if os.path.lexists(folder) and (damage := broken_seal(folder)) is not None:  # else it is made anew
            logger.warning("%s: is damaged: %s. It is thrown away and made anew.", folder, damage)
            try:
                _remove(folder)
            except OSError as error:
                raise UserError(f"{folder}: is damaged and cannot be removed ({error.strerror}).") from error


def _remove_unused(cache: Path, days: int) -> None:
    """Remove the folders of all kinds that no run has used for so many days; of other things that lie there none."""
    for mark in list(cache.glob(f"*/*/{SEAL}")):
        with suppress(BusyError, OSError), claimed_file(mark.parent):
            if time.time() - mark.stat().st_mtime > days * 24 * 60 * 60:
                _remove(mark.parent)


def _remove(folder: Path) -> None:
    """Remove a folder whose name is claimed: at once for those who look for it."""
    folder.rename(partial_path(folder))
    remove_left_over(folder)


def _collect(place: Path) -> None:
    """Remove what killed processes were making: nobody holds its name any more."""
    for entry in list(place.iterdir()):
        if (name := left_over_of(entry)) is not None:
            with suppress(BusyError), claimed_file(place / name):
                remove_left_over(place / name)
