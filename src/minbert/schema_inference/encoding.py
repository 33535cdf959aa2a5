"""The encoding of a task's files: UTF-8, or Windows-1252 where the bytes make sense by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from minbert.data.lines import UTF8
from minbert.data.opened import PARQUET, opened
from minbert.data.rows import format_of
from minbert.errors import UserError, printable
from minbert.schema_inference.found import Findings

_WINDOWS = "windows-1252"
_MOST_READ, _MOST_OF_A_LINE = 1 << 28, 1 << 20
"""Bytes."""
_LINES_LOOKED_AT = 10_000
_COMMON = 0.95
_MOST_ACCENTS = 1 / 3
"""Of the letters in short French lines a quarter may have accents; a Russian or Chinese line has hardly others."""
_LETTERS = "àáâãäåæçèéêëìíîïñòóôõöøùúûüÿœšž"
_EXPECTED = frozenset(_LETTERS + _LETTERS.upper() + "ß‘’‚“”„–—…€£¥¢°§«»‹›¡¿ªº·´¨•™®©½¼¾\xa0")
"""What western texts have beyond ASCII. Polish, Czech, Turkish or Russian bytes would give ¹, ³, ý, þ and ð as well."""


def find_encoding(paths: Sequence[Path], findings: Findings) -> str:
    """Return the encoding of files, and set ``encoding`` where it is Windows-1252.

    That is so if a line is not UTF-8, no other line has characters beyond ASCII in UTF-8, and the odd lines look like a
    western language by it.
    """
    odd: list[bytes] = []
    for path in paths:
        try:
            for line in _beyond_ascii(path):
                if _decodes(line, UTF8):
                    return UTF8
                odd.append(line)
                if len(odd) == _LINES_LOOKED_AT:
                    break
        except UserError:  # it is told when rows are read
            continue
    if not odd or not _is_western(odd):
        return UTF8
    findings.set("encoding", _WINDOWS, "no UTF-8; by this, its letters are those of a western language")
    findings.unsure.append(f"{printable(paths[0].name)} or a file beside it is not UTF-8: taken as {_WINDOWS}")
    return _WINDOWS


def _beyond_ascii(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file that are not ASCII alone."""
    with opened(path) as (stream, _):
        if format_of(path) == PARQUET:
            return
        left = _MOST_READ
        while left > 0 and (line := stream.readline(_MOST_OF_A_LINE)):
            left -= len(line)
            if not line.isascii() and len(line) < _MOST_OF_A_LINE:  # else it may be cut within a character
                yield line


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_western(lines: Sequence[bytes]) -> bool:
    if not all(_decodes(line, _WINDOWS) for line in lines):
        return False
    text = "".join(line.decode(_WINDOWS) for line in lines)
    letters = sum(map(str.isalpha, text))
    beyond = [character for character in text if not character.isascii()]
    common = sum(character in _EXPECTED for character in beyond)
    accents = sum(map(str.isalpha, beyond))
    return common >= _COMMON * len(beyond) and accents <= _MOST_ACCENTS * letters
