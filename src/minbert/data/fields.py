"""The fields of one line of CSV, by the common standard (RFC 4180)."""

from __future__ import annotations

import re
from typing import NamedTuple

_inside_quotes = re.compile(r'(?:[^"]++|"")*+')


class OpenQuote(NamedTuple):
    """A quote that opens a field at ``position`` and does not close it: by the text's end, or at all."""

    position: int
    may_close: bool


def split_fields(text: str, delimiter: str) -> list[str] | OpenQuote:
    """Return the fields of a row by the standard, or the first quote that does not close its field."""
    fields: list[str] = []
    position = 0
    while True:
        if text.startswith('"', position):
            inside = _inside_quotes.match(text, position + 1)
            assert inside is not None  # the pattern matches the empty text
            end = inside.end() + 1
            if end > len(text):
                return OpenQuote(position, may_close=True)
            if text[end : end + 1] not in ("", delimiter):
                return OpenQuote(position, may_close=False)
            fields.append(inside.group().replace('""', '"'))
        else:
            end = text.find(delimiter, position)
            end = len(text) if end < 0 else end
            fields.append(text[position:end])
        if end == len(text):
            return fields
        position = end + 1
