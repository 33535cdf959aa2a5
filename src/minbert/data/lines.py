"""Numbered lines of UTF-8 text, read one at a time; a broken line is marked, and reading goes on."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from minbert.errors import UserError

# What is longer is no line of text, and would be read into memory whole.
longest_line = 2**26


class Line(NamedTuple):
    """A line: its number from 1, its text with the line break, and what is wrong with its bytes, if anything."""

    number: int
    text: str
    flaw: str | None

    @property
    def content(self) -> str:
        """The text without its line break."""
        return without_break(self.text)


def without_break(text: str) -> str:
    """Return ``text`` without the line break (``\\n`` or ``\\r\\n``) that ends it."""
    return text.removesuffix("\n").removesuffix("\r")


def read_lines(stream: BinaryIO, path: Path) -> Iterator[Line]:
    """Yield the lines of ``stream``. A byte order mark at the start is dropped; ``path`` is for messages.

    Raises:
        UserError: a line is longer than 64 MiB.
    """
    number = 0
    while raw := stream.readline(longest_line + 1):
        number += 1
        if len(raw) > longest_line:
            raise UserError(f"{path}:{number}: the line is longer than {longest_line:,} bytes. Is this a text file?")
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        flaw = "a NUL byte" if b"\0" in raw else None
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            flaw = f"not UTF-8 (byte 0x{raw[error.start]:02x}, number {error.start + 1} of the line)"
            text = raw.decode(errors="replace")
        yield Line(number, text, flaw)
