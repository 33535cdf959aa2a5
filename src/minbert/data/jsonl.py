"""JSON lines: one object a line, whose keys are the columns. Objects inside it are no columns, lists only of labels.

A JSON array of such objects is read too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from minbert.data.json_objects import split_objects
from minbert.data.lines import Line
from minbert.data.row import Problem, Row, as_text, checked_row, list_text
from minbert.data.web_pages import refuse_web_page
from minbert.errors import shown

MOST_DIGITS = 300

# An array of objects, or an object that goes on on the next line.
_SPREAD = re.compile(r"\s*(\[\s*(\{.*)?|\{\s*)", re.DOTALL)


def is_json(text: str) -> bool:
    """Return whether the first line of an input begins JSON: an object, or an array of objects."""
    return text.lstrip().startswith("{") or _SPREAD.fullmatch(text) is not None


def read_jsonl(lines: Iterator[Line], path: Path) -> Iterator[Row | Problem]:
    """Yield the rows; blank lines are passed over. An array of objects, or objects over several lines, do as well.

    Raises:
        UserError: the file is a page of the web, or an object is as long as no row is.
    """
    first = next((line for line in lines if line.flaw is not None or line.text.strip()), None)
    if first is None:
        return
    if first.flaw is None:
        refuse_web_page(first, path)
    every: Iterator[Line] = chain([first], lines)
    for line in split_objects(every, path) if _SPREAD.fullmatch(first.text) else every:
        if line.flaw is not None:
            yield Problem(path, line.number, *line.flaw)
        elif line.text.strip():
            yield _row(line, path)


def _row(line: Line, path: Path) -> Row | Problem:
    try:
        value = json.loads(
            line.content,
            object_pairs_hook=_no_key_twice,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=str,  # as the file has it
        )
    except json.JSONDecodeError as error:
        place = line.number + error.lineno - 1
        return Problem(path, place, f"not valid JSON ({error.msg}, column {error.colno})")
    except RecursionError:
        return Problem(path, line.number, "not usable JSON (lists or objects stand too deep in each other)")
    except ValueError as error:
        return Problem(path, line.number, f"not usable JSON ({error})")
    if not isinstance(value, dict):
        return Problem(path, line.number, 'not a JSON object, {"column": value, ...}')
    texts: dict[str, str] = {}
    unusable: dict[str, str] = {}
    lists: dict[str, str] = {}
    for key, item in value.items():
        text = as_text(item)
        if key and text is not None:
            texts[key] = text
        elif key:
            unusable[key] = "a list" if isinstance(item, list) else "an object"
            if isinstance(item, list) and (inner := list_text(item)) is not None:
                lists[key] = inner
    nulls = [key for key, item in value.items() if item is None]
    return checked_row(path, line.number, texts, unusable, lists, nulls)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys: set[str] = set()
    for key, _ in pairs:
        if key in keys:
            raise ValueError(f"the key '{shown(key)}' is there twice")
        keys.add(key)
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)
