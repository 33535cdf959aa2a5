"""Part of a task's rows, drawn at random: for learning curves, and for trying things out."""

from __future__ import annotations

import re
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from minbert.files.long_arrays import shuffled
from minbert.randomness import generator


def check_wanted(wanted: Any) -> int | str:
    """Return ``wanted`` if it is a number of rows (1 or more) or a share such as ``"10%"`` (above 0, 100 at most).

    Raises:
        ValueError: it is neither.
    """
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 1:
        return wanted
    if isinstance(wanted, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?%", wanted) and 0 < float(wanted[:-1]) <= 100:
        return wanted
    raise ValueError(f"{wanted!r} is no amount of rows: give a whole number above 0, or a share such as '10%'")


WantedRows = Annotated[int | str, BeforeValidator(check_wanted)]
"""A recipe's ``rows``: a number of rows, or a share of them such as ``"10%"``."""


def subsample(rows: int, wanted: int | str, seed: int, name: str) -> NDArray[np.int64]:
    """Return distinct row numbers out of ``rows``, sorted; of a share, rounded, but one row at least.

    With the same seed and ``name`` (of what the rows are of) a smaller sample is part of a larger one, so a learning
    curve only ever adds rows.

    Raises:
        ValueError: more rows are wanted than there are, or ``wanted`` is no amount of rows.
    """
    wanted = check_wanted(wanted)
    count = wanted if isinstance(wanted, int) else max(1, round(rows * float(wanted[:-1]) / 100))
    if count > rows:
        raise ValueError(f"there are {rows} rows, but {wanted} are wanted")
    return np.sort(shuffled(rows, generator(seed, "subsample", name))[:count])
