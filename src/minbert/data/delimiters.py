"""What separates the fields of a file, and what to do where its header and its rows say different things."""

from __future__ import annotations

import re
from collections.abc import Sequence

from minbert.data.row import DELIMITERS

_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_EXCELS_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


def said_delimiter(line: str) -> str | None:
    """Return the delimiter that a file's first line names where it is Excel's ``sep=;``; None of any other line."""
    match = _EXCELS_LINE.fullmatch(line.rstrip(" "))
    return match[1] if match and match[1] in DELIMITERS else None


def likely_delimiter(header: str) -> str | None:
    """Return what a header holds outside of quotes: a tab, or the most frequent of the others; None of none."""
    bare = _QUOTED.sub("", header)
    if "\t" in bare:
        return "\t"
    likely = max(DELIMITERS, key=bare.count)
    return likely if likely in bare else None


def quoted_whole(names: Sequence[str], fields: Sequence[str]) -> bool:
    """Return whether quotes stand around whole lines: a header of one name and a row of one field, alike separated."""
    if len(names) != 1 or len(fields) != 1 or (inner := likely_delimiter(names[0])) is None:
        return False
    return names[0].count(inner) == fields[0].count(inner)


def advice_on_width(delimiter: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return what to do about a header of these names where every row has the same other number of fields."""
    for other in DELIMITERS.replace(delimiter, ""):
        counts = {delimiter.join(fields).count(other) for fields in rows}
        if len(counts) > 1 or counts == {0}:
            continue
        if counts == {delimiter.join(names).count(other)}:
            return (
                f"The file looks separated by {shown_delimiter(other)}: in the header, put names that hold "
                f"{shown_delimiter(delimiter)} in double quotes."
            )
        if counts == {len(names) - 1}:
            return (
                f"The header is separated by {shown_delimiter(delimiter)}, the rows by {shown_delimiter(other)}: "
                "separate all lines alike."
            )
    names_for_all = "give the header one name, which may be empty, for each field of a row."
    if len(names) == 1 and len(rows[0]) > 1:
        return f"{_one_text_a_line(delimiter)} Else {names_for_all}"
    return f"{names_for_all[0].upper()}{names_for_all[1:]}"


def advice_on_row(delimiter: str, width: int, fields: int) -> str:
    """Return what to do about a row with another number of fields than the header's ``width``."""
    if delimiter == "\t" or fields < width:
        return ""
    return f"A text that holds '{delimiter}' must stand in double quotes." if width > 1 else _one_text_a_line(delimiter)


def shown_delimiter(delimiter: str) -> str:
    """Return a delimiter as messages write it."""
    return "tabs" if delimiter == "\t" else f"'{delimiter}'"


def _one_text_a_line(delimiter: str) -> str:
    return f"If each line is one text, give the file a name that ends in .tsv: '{delimiter}' means nothing there."
