"""Numbers as people and files write them."""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,4})?", re.ASCII)


def number(text: str) -> Decimal | None:
    """Return the number that ``text`` writes in decimal digits, exactly; None where it writes none.

    ``1``, ``1.0``, ``01`` and ``1e0`` are equal. ``nan``, ``inf`` and ``1_000`` are words.
    """
    return Decimal(text) if _NUMBER.fullmatch(text) else None
