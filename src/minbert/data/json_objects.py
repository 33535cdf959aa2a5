"""The objects of a JSON array, or objects that go over several lines, one at a time as JSON lines have them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from minbert.data.lines import Line, longest_line
from minbert.data.row import Flaw
from minbert.errors import UserError

# Brackets in a string are none. A string ends with its line at the latest: JSON has no line break in one.
_MARKS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\]]')
_BETWEEN = " \t\r\n,[]"


def split_objects(lines: Iterator[Line], path: Path) -> Iterator[Line]:
    """Yield each object as a line, with the number of the line on which it starts, and what stands between objects.

    Objects are told apart by their brackets alone, so the file may be larger than memory, and what is wrong inside one
    is found by whoever parses it.

    Raises:
        UserError: an object is as long as no row is.
    """
    parts: list[str] = []
    depth = number = size = 0
    flaw = None
    array = False
    for line in lines:
        outside = []
        done = 0
        flaw = (flaw if depth else None) or line.flaw
        for mark in _MARKS.finditer(line.text):
            if mark[0] == "{" and not depth:
                outside.append(line.text[done : mark.start()])
                done, depth, number, size = mark.start(), 1, line.number, 0
            elif depth and mark[0] in "{[":
                depth += 1
            elif depth and mark[0] in "}]":
                depth -= 1
                if not depth:
                    yield Line(number, "".join([*parts, line.text[done : mark.end()]]), flaw)
                    parts, done, flaw = [], mark.end(), line.flaw
            elif mark[0] in "[]":
                array = mark[0] == "["
        (parts if depth else outside).append(line.text[done:])
        size += len(line.text)
        if depth and size > longest_line:
            raise UserError(f"{path}:{number}: the JSON object is longer than {longest_line:,} characters.")
        if other := "".join(outside).strip(_BETWEEN):
            yield Line(line.number, other, line.flaw)
    if depth:
        yield Line(number, "".join(parts), flaw)
    elif array:
        yield Line(line.number, "", Flaw("the JSON array has no end", "Was the file cut short? Fetch it again."))
