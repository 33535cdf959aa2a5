"""How this process was started: by itself, or as one of several by torchrun."""

from __future__ import annotations

import os
from typing import NamedTuple

from minbert.errors import UserError

_SECONDS = "MINBERT_TIMEOUT"


class Launch(NamedTuple):
    """What the environment says of this process among all that were started with it."""

    rank: int
    """Its number, from 0."""
    ranks: int
    """How many there are."""
    local_rank: int
    """Its number among those on its machine, from 0: also that of its GPU."""
    local_ranks: int
    """How many there are on its machine."""
    seconds: float
    """How long a process waits for others in the midst of work that they share, before it gives them up."""


def launched() -> Launch | None:
    """Return what torchrun, or another launcher that sets the same variables, says of this process.

    None where it was started by itself, or as the only one.

    Raises:
        UserError: a variable is missing, or is no number.
    """
    if "RANK" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1":
        return None
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if name not in os.environ:
            raise UserError(
                f"the environment has RANK and WORLD_SIZE, but no {name}: start it by torchrun, or unset RANK."
            )
    count = int(_number("WORLD_SIZE"))
    rank = int(_number("RANK"))
    return Launch(
        rank,
        count,
        int(_number("LOCAL_RANK", rank)),
        int(_number("LOCAL_WORLD_SIZE", count)),
        _number(_SECONDS, 600),
    )


def _number(name: str, otherwise: float | None = None) -> float:
    given = os.environ.get(name, "" if otherwise is None else str(otherwise))
    try:
        return float(given)
    except ValueError:
        raise UserError(f"the environment variable {name} must be a number, not '{given}'.") from None
