"""What a task may be called. Its name is also that of files, of a folder, and of a part of the model."""

from __future__ import annotations

import re

from torch import nn

from minbert.errors import shown


def check_task_name(name: str) -> None:
    """Check that a task may be called so.

    Raises:
        ValueError: it may not; the message says why.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]{0,99}", name):
        raise ValueError(
            f"'{shown(name)}' is no name for a task: at most 100 letters, digits, '_' and '-', a letter first"
        )
    if name in ("overall", "overall_leaderboard"):
        raise ValueError(f"'{name}' is the name of a score; call the task something else")
    if hasattr(nn.ModuleDict, name):  # what holds the tasks' heads has it for itself
        raise ValueError(f"'{name}' is a word that torch keeps for itself; call the task something else")
