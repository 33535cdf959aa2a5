"""Lists of classes, as files write them in one cell."""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

_NAME = r"""(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
_OF_NAMES = re.compile(rf"\[\s*{_NAME}(?:\s*,\s*{_NAME})*\s*,?\s*\]")
"""With commas between them: Python would join names that have none, as numpy writes them."""


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
    if not _OF_NAMES.fullmatch(text):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of backslashes that mean nothing
        try:
            return ast.literal_eval(text)  # evaluates nothing but literals
        except (ValueError, SyntaxError, MemoryError):
            return None
