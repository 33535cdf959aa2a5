"""``history.jsonl``: a line for each evaluation of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minbert.errors import UserError
from minbert.files import write_text
from minbert.files.json_text import read_json_lines

HISTORY = "history.jsonl"


def write_history(folder: Path, history: Sequence[dict[str, Any]]) -> None:
    """Write all lines of a run's history."""
    write_text(folder / HISTORY, "".join(json.dumps(line) + "\n" for line in history))


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's history.

    Raises:
        UserError: the file is missing or damaged.
    """
    where = folder / HISTORY
    try:
        return [line for line in read_json_lines(where) if line["step"] >= 0]
    except (KeyError, TypeError) as error:
        raise UserError(f"{where}: cannot be read ({error}); start anew in another --out.") from None
