"""From the words of a user to a path."""

from __future__ import annotations

import os
from pathlib import Path

from minbert.errors import UserError

LONGEST_NAME = 255
"""Bytes of a name, in every file system in use."""
_LONGEST_PATH = 4095
"""Bytes of a whole path, on Linux."""


def to_path(words: str | Path) -> Path:
    """Return the path that a user wrote, with a leading ``~`` spelt out. Nothing needs to be there.

    Raises:
        UserError: no file or folder can have this name.
    """
    text = str(words)  # an option's default is a path already
    if not text.strip():
        raise UserError("an empty text was given where the name of a file or folder is expected.")
    shown = repr(text if len(text) <= 60 else f"{text[:57]}...")
    if "\0" in text:
        raise UserError(f"{shown}: has a NUL character, which no name of a file or folder can have.")
    try:
        longest = max((len(os.fsencode(part)) for part in Path(text).parts), default=0)  # "." has no parts
        whole = len(os.fsencode(text))
    except UnicodeEncodeError:
        raise UserError(f"{text[:60]!a}: has half of a surrogate pair, which no name of a file can have.") from None
    if whole > _LONGEST_PATH:
        raise UserError(f"{shown}: is too long for a path ({whole:,} bytes; one has at most {_LONGEST_PATH:,}).")
    if longest > LONGEST_NAME:
        raise UserError(
            f"{shown}: is expected to name a file or folder, and is too long for that ({longest} bytes; a name has at "
            f"most {LONGEST_NAME}). Is another argument missing before it?"
        )
    try:
        return Path(text).expanduser() if text.startswith("~") else Path(text)  # ./~ is no home
    except RuntimeError:
        raise UserError(f"{shown}: there is no user of this name, so no such home folder.") from None


def names_beside(path: Path) -> list[str]:
    """Return the names in the folder of ``path``, to find what a misspelled one may mean; none if it cannot be read."""
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []
