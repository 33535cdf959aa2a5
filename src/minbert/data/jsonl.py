"""JSON lines: one object a line, whose keys are the columns. Lists and objects inside it are no columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from minbert.data.lines import Line
from minbert.data.row import Problem, Row, as_text, checked_row
from minbert.errors import shown


def read_jsonl(lines: Iterator[Line], path: Path) -> Iterator[Row | Problem]:
    """Yield the rows; blank lines are passed over."""
    for line in lines:
        if line.flaw is not None:
            yield Problem(path, line.number, line.flaw)
        elif line.text.strip():
            yield _row(line, path)


def _row(line: Line, path: Path) -> Row | Problem:
    try:
        value = json.loads(line.content, object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return Problem(path, line.number, f"not valid JSON ({error.msg}, column {error.colno})")
    except (ValueError, RecursionError) as error:
        return Problem(path, line.number, f"not usable JSON ({error})")
    if not isinstance(value, dict):
        return Problem(path, line.number, 'not a JSON object, {"column": value, ...}')
    texts = {key: as_text(item) for key, item in value.items() if key}
    return checked_row(path, line.number, {key: text for key, text in texts.items() if text is not None})


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys: set[str] = set()
    for key, _ in pairs:
        if key in keys:
            raise ValueError(f"the key '{shown(key)}' stands twice")
        keys.add(key)
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
