"""Command lines that a message tells the reader to type."""

from __future__ import annotations

import shlex
from pathlib import Path


def command_line(*words: str | Path) -> str:
    """Return a minbert command that can be pasted into a shell, whatever spaces or quotes its words hold."""
    return shlex.join(["minbert", *map(str, words)])
