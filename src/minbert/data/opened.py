"""A file of data opened for reading: unpacked where it is compressed, and refused where its name tells a lie."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from minbert.errors import UserError, did_you_mean
from minbert.files.paths import names_beside

PACKED = ".gz"
PARQUET = ".parquet"

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1\x15"

_FOREIGN = {
    _PARQUET: "is a Parquet file; give it a name that ends in .parquet.",
    _GZIP: "is compressed by gzip; give it a name that ends in .gz.",
    b"PK\x03\x04": "is a zip archive or an Excel workbook; unpack it, or save its table as CSV.",
    b"BZh91AY&SY": "is compressed by bzip2; unpack it.",
    b"\xfd7zXZ": "is compressed by xz; unpack it.",
    b"(\xb5/\xfd": "is compressed by zstd; unpack it.",
}


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, str]]:
    """Give the bytes of a file, unpacked if its name ends in ``.gz``, and the suffix that tells its format.

    Raises:
        UserError: there is no such file, it cannot be read (also later, while it is open), or it is of another format
            than its suffix tells.
    """
    try:
        with _faults_told(path), path.open("rb") as file:
            packed = path.suffix.lower() == PACKED
            suffix = Path(path.stem if packed else path.name).suffix.lower()
            if packed and suffix == PARQUET:
                raise UserError(f"{path}: Parquet is compressed in itself; unpack the file.")
            stream = _unpacked(file) if packed else file
            _check_start(stream.peek(10), suffix, path)  # type: ignore[attr-defined]
            yield stream, suffix
    except FileNotFoundError:
        if path.is_symlink():
            raise UserError(f"{path}: is a link to a file that is not there.") from None
        raise UserError(f"{path}: no such file{did_you_mean(path.name, names_beside(path))}.") from None


@contextmanager
def opened_standard_input(path: Path) -> Iterator[BinaryIO]:
    """Give the bytes of standard input, unpacked where gzip has packed them. ``path`` is for messages.

    Raises:
        UserError: it cannot be read, or is of a format that cannot be read from there.
    """
    stream = cast(BufferedReader, sys.stdin.buffer)
    with _faults_told(path):
        start = stream.peek(10)
        if start.startswith(_GZIP):
            yield _unpacked(stream)
            return
        if start.startswith(_PARQUET):
            raise UserError(f"{path}: is a Parquet file, which is not read from its start to its end; name the file.")
        _check_start(start, "", path)
        yield stream


def _unpacked(stream: BinaryIO) -> BinaryIO:
    # A GzipFile can do all that a BinaryIO is asked for here, and its types say so no better.
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream))


@contextmanager
def _faults_told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except IsADirectoryError:
        raise UserError(f"{path}: cannot be read: it is a folder; name a file in it.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a whole gzip file ({error}). Was it cut short? Fetch it again.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _check_start(start: bytes, suffix: str, path: Path) -> None:
    if suffix == PARQUET:
        if not b"PAR1".startswith(start[:4]):
            raise UserError(f"{path}: is no Parquet file; give it a name that tells what it is: .csv, .tsv or .jsonl.")
        return
    for mark, what in _FOREIGN.items():
        if start.startswith(mark):
            raise UserError(f"{path}: {what}")
