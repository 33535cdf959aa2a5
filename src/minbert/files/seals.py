"""Sealed folders: the size and the CRC-32 of each file in a file beside them, so that damage is found on opening."""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from minbert.errors import UserError
from minbert.files import write_json
from minbert.files.json_text import read_shaped
from minbert.files.states import settled_state

SEAL = "minbert-seal.json"

BYTES_AT_ONCE = 2**20


class SealedFile(BaseModel):
    """A file as it was when it was last read."""

    size: int
    crc32: str
    state: dict[str, int] | None
    """Its ``settled_state`` before that."""


_RECORD = TypeAdapter(dict[str, SealedFile])


def seal(folder: Path) -> None:
    """Write the size and the checksum of every file in ``folder`` into its seal."""
    _write(folder, {name: _sealed(folder / name, size) for name, size in _sizes(folder).items()})


def broken_seal(folder: Path) -> str | None:
    """Return what has become of a sealed folder, None if its files are what they were when it was sealed.

    Sizes are compared first. Then files are read, some GB in a second. A CRC-32 finds every flip of a bit, every burst
    of 32, and of other changes all but one in four billion. A large file that nobody has written to since it was read,
    by its ``settled_state``, is not read again: a disk that changes it without a write is not found out.
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
            if record[name].size != sizes[name]:
                return f"{name} has {sizes[name]:,} bytes instead of {record[name].size:,}"
        here = {name: _same_or_sealed(folder / name, was) for name, was in record.items()}
    except UserError:
        return "its checksums cannot be read"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    for name, was in record.items():
        if here[name].crc32 != was.crc32:
            return f"the checksum of {name} is another"
    if here != record:
        with suppress(UserError):  # what cannot be written down is read again the next time
            _write(folder, here)
    return None


def _same_or_sealed(path: Path, was: SealedFile) -> SealedFile:
    return was if was.state and settled_state(path) == was.state else _sealed(path, was.size)


def _sealed(path: Path, size: int) -> SealedFile:
    state = settled_state(path)  # before it is read: what changes it meanwhile changes its state
    checksum = 0
    with path.open("rb") as file:
        while content := file.read(BYTES_AT_ONCE):
            checksum = zlib.crc32(content, checksum)
    return SealedFile(size=size, crc32=f"{checksum:08x}", state=state)


def _write(folder: Path, record: dict[str, SealedFile]) -> None:
    write_json(folder / SEAL, _RECORD.dump_python(record))


def _sizes(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SEAL)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
