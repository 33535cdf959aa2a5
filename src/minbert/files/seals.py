"""Sealed folders: the size and the CRC-32 of each file in a file beside them, so that damage is found on opening."""

from __future__ import annotations

import zlib
from pathlib import Path

from pydantic import TypeAdapter

from minbert.errors import UserError
from minbert.files import write_json
from minbert.files.json_text import read_shaped

SEAL = "minbert-seal.json"

BYTES_AT_ONCE = 2**20

_RECORD = TypeAdapter(dict[str, tuple[int, str]])


def seal(folder: Path) -> None:
    """Write the size and the checksum of every file in ``folder`` into its seal."""
    sizes = _sizes(folder)
    write_json(folder / SEAL, {name: [size, _checksum(folder / name)] for name, size in sizes.items()})


def broken_seal(folder: Path) -> str | None:
    """Return what has become of a sealed folder, None if its files are what they were when it was sealed.

    Sizes are compared first. Then all files are read, some GB in a second. A CRC-32 finds every flip of a bit, every
    burst of 32, and of other changes all but one in four billion.
    """
    if not (folder / SEAL).is_file():
        return "it has no checksums"
    try:
        record = read_shaped(folder / SEAL, _RECORD)
        sizes = _sizes(folder)
        for name in sorted({*record, *sizes}):
            if name not in sizes:
                return f"{name} is missing"
            if name not in record:
                return f"{name} is not its own"
            if record[name][0] != sizes[name]:
                return f"{name} has {sizes[name]:,} bytes instead of {record[name][0]:,}"
        for name, (_, checksum) in record.items():
            if _checksum(folder / name) != checksum:
                return f"the checksum of {name} is another"
    except UserError:
        return "its checksums cannot be read"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return None


def _sizes(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SEAL)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _checksum(path: Path) -> str:
    checksum = 0
    with path.open("rb") as file:
        while content := file.read(BYTES_AT_ONCE):
            checksum = zlib.crc32(content, checksum)
    return f"{checksum:08x}"
