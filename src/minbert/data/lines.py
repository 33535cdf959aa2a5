"""Numbered lines of text, read one at a time; a broken line is marked, and reading goes on."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from minbert.data.row import Flaw
from minbert.errors import UserError

# What is longer is no line of text, and would be read into memory whole.
longest_line = 2**26

UTF8 = "utf-8"
_ANOTHER = (
    "If the file is in Windows-1252 or Latin-1, make it UTF-8: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW. For files "
    "that a recipe names, 'encoding: windows-1252' in the recipe does as well."
)

_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


class Line(NamedTuple):
    """A line: its number from 1, its text with the line break, and what is wrong with its bytes, if anything."""

    number: int
    text: str
    flaw: Flaw | None

    @property
    def content(self) -> str:
        """The text without its line break."""
        return without_break(self.text)


def without_break(text: str) -> str:
    """Return ``text`` without the line break (``\\n`` or ``\\r\\n``) that ends it."""
    return text.removesuffix("\n").removesuffix("\r")


def keeps_ascii(encoding: str) -> bool:
    """Return whether Python knows an encoding of text, and it has the bytes of ASCII for the characters of ASCII."""
    ascii_bytes = bytes(range(128))
    try:
        return ascii_bytes.decode(encoding).encode(encoding) == ascii_bytes == ascii_bytes.decode(encoding).encode()
    except (LookupError, ValueError):
        return False


def read_lines(stream: BinaryIO, path: Path, encoding: str = UTF8) -> Iterator[Line]:
    """Yield the lines of ``stream``. A byte order mark at the start is dropped; ``path`` is for messages.

    ``encoding`` is one that ``keeps_ascii``.

    Raises:
        UserError: the text is in UTF-16 or UTF-32, or a line is longer than 64 MiB.
    """
    for number, raw in enumerate(_raw_lines(stream, path), start=1):
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
            _refuse_other_encodings(raw, path)
        flaw = Flaw("a NUL byte") if b"\0" in raw else None
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as error:
            place = f"byte 0x{raw[error.start]:02x}, number {error.start + 1} of the line"
            flaw = Flaw(f"not {encoding.upper()} ({place})", _ANOTHER)
            text = raw.decode(encoding, errors="replace")
        yield Line(number, text, flaw)


def _raw_lines(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield lines that end with a line feed; a file without any, as old Macs wrote them, is cut at carriage returns."""
    raw = stream.readline(longest_line + 1)
    if b"\n" not in raw and b"\r" in raw and len(raw) <= longest_line:
        yield from (line + b"\n" for line in raw.removesuffix(b"\r").split(b"\r"))
        return
    number = 1
    while raw:
        if len(raw) > longest_line:
            array = raw.lstrip().startswith(b"[")
            advice = "Write one object a line: jq -c '.[]' OLD > NEW" if array else "Is this a text file?"
            raise UserError(f"{path}:{number}: the line is longer than {longest_line:,} bytes. {advice}")
        yield raw
        raw = stream.readline(longest_line + 1)
        number += 1


def _refuse_other_encodings(first: bytes, path: Path) -> None:
    encoding = next((name for mark, name in _OTHER_ENCODINGS.items() if first.startswith(mark)), None)
    if encoding is None and len(first) > 3 and (not any(first[1:40:2]) or not any(first[0:40:2])):
        encoding = "UTF-16LE" if first[0] else "UTF-16BE"
    if encoding is not None:
        raise UserError(
            f"{path}: is {encoding} text. Make it UTF-8: iconv -f {encoding} -t UTF-8 OLD > NEW; or, from Excel, save "
            "it as 'CSV UTF-8'."
        )
