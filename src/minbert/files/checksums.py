"""The SHA-256 of a folder's files in a file beside them, in the format of ``sha256sum``, which can check it, too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from minbert.errors import UserError
from minbert.files import sha256, write_text

CHECKSUMS = "checksums.sha256"


def write_checksums(folder: Path, files: Iterable[Path]) -> None:
    """Write the checksums of files in ``folder``."""
    lines = [f"{sha256(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    write_text(folder / CHECKSUMS, "".join(lines))


def check_checksum(folder: Path, file: Path) -> None:
    """Check that a file in ``folder`` is what it was when the checksums were written; older folders have none.

    Raises:
        UserError: it is not, or one of the two cannot be read.
    """
    record = folder / CHECKSUMS
    if not record.is_file():
        return
    try:
        lines = record.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{record}: cannot be read ({error}).") from None
    if f"{sha256(file)}  {file.relative_to(folder).as_posix()}" not in lines:
        raise UserError(
            f"{file}: is not what was written: its SHA-256 is not that in {record}. A disk or a copy has changed it. "
            f"Copy it again, or delete {folder / 'metrics.json'} and go on with --resume: that writes it anew."
        )
