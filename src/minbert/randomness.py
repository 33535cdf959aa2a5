"""Random generators named by what they draw.

A generator follows from the run's seed and a name (``generator(seed, "order", "sentiment", 3)``), never from what was
drawn before it. So every process of a run draws alike, and a resumed run needs no stored state to draw on.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of ``seed`` and ``names``; other names give independent streams."""
    digest = hashlib.sha256("\0".join(map(str, (seed, *names))).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
