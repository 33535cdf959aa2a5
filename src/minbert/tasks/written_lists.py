"""Lists of classes, as files write them in one cell."""

from __future__ import annotations

import ast
import json
from typing import Any


def read_list(text: str) -> list[Any] | None:
    """Return the items of a list in JSON, or of names as Python prints one: ``['a', 'b']``; None where it is neither.

    Numbers come as texts, as they are written.
    """
    try:
        items = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        items = _pythons_list(text)
    return items if isinstance(items, list) else None


def _pythons_list(text: str) -> Any:
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        items = ast.literal_eval(text)  # evaluates nothing but literals
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return items if isinstance(items, list) and all(isinstance(item, str) for item in items) else None
