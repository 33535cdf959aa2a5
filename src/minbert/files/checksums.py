"""The SHA-256 of a folder's files in a file beside them, in the format of ``sha256sum``, which can check it, too."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from minbert.errors import UserError, shown
from minbert.files import sha256, write_text

CHECKSUMS = "checksums.sha256"
_LINE = re.compile(r"[0-9a-f]{64}  (?P<name>(?!/|.*\.\./)[^\0]+)")
"""Of a file in the folder; no name leads out of it."""


def write_checksums(folder: Path, files: Iterable[Path]) -> None:
    """Write the checksums of files in ``folder``."""
    lines = [f"{sha256(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    write_text(folder / CHECKSUMS, "".join(lines))


def check_checksum(folder: Path, file: Path, otherwise: str | None = None) -> None:
    """Check that a file in ``folder`` is what it was when the checksums were written; older folders have none.

    ``otherwise`` is what the message says to do where the file cannot be copied again.

    Raises:
        UserError: it is not, or is gone, or one of the two cannot be read.
    """
    lines = _lines(folder)
    if not lines:
        return
    if not _is_there(file):
        raise UserError(f"{file}: is gone. {_to_do(folder, otherwise)}")
    if f"{sha256(file)}  {file.relative_to(folder).as_posix()}" not in lines:
        raise UserError(
            f"{file}: is not what was written: its SHA-256 is not that in {folder / CHECKSUMS}. A disk or a copy has "
            f"changed it. {_to_do(folder, otherwise)}"
        )


def files_with_checksums(folder: Path) -> list[Path]:
    """Return the files in ``folder`` that checksums were written of, whether they are still there or not.

    Raises:
        UserError: what holds the checksums is damaged.
    """
    matches = [(line, _LINE.fullmatch(line)) for line in _lines(folder)]
    if damaged := [line for line, match in matches if match is None]:
        raise UserError(
            f"{folder / CHECKSUMS}: a line of it is no checksum: '{shown(damaged[0])}'. {_to_do(folder, None)}"
        )
    return [folder / match["name"] for _, match in matches if match]


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a name that no file can have, in a damaged record
        return False


def _lines(folder: Path) -> list[str]:
    record = folder / CHECKSUMS
    if not record.is_file():
        return []
    try:
        return record.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{record}: cannot be read ({error}).") from None


def _to_do(folder: Path, otherwise: str | None) -> str:
    anew = f"delete {folder / 'metrics.json'} and go on with --resume: that writes it anew"
    return f"Copy it again, or {otherwise or anew}."
