"""Random generators and orders, named by what they are for.

A generator follows from the run's seed and a name (``generator(seed, "order", "sentiment", 3)``), never from what was
drawn before it. So every process of a run draws alike, and a resumed run needs no stored state to draw on.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_ROUNDS = 16


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of ``seed`` and ``names``; other names give independent streams."""
    digest = hashlib.sha256("\0".join(map(str, (seed, *names))).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


class Permutation:
    """Random orders of the numbers below ``size``: one for each turn, all of them following from a seed and a name.

    A number's place in an order is computed, not drawn, so an order takes no memory and may begin anywhere. It is a
    Feistel network over ``a * b >= size`` cells, ``a`` and ``b`` near the square root (Black & Rogaway 2002, 'Ciphers
    with Arbitrary Finite Domains', their generalized Feistel cipher): each round adds to a cell's row a hash of its
    column, or the other way round, and each can be undone. What falls into the few cells from ``size`` on goes through
    it again (cycle walking). The hash is the finalizer of SplitMix64, which serves for shuffling and hides nothing.
    With fewer rounds, orders of five or six things are not all as likely.
    """

    def __init__(self, size: int, seed: int, *names: str | int) -> None:
        """Prepare for the orders that ``seed`` and ``names`` stand for."""
        self.size = size
        rows = math.isqrt(max(size, 1) - 1) + 1
        self._rows = rows + rows % 2  # by cycles of an odd length alone, only half of all orders could be reached
        self._columns = -(-size // self._rows)
        self._keys = generator(seed, *names).integers(2**64, size=_ROUNDS, dtype=np.uint64)

    def __call__(self, places: Numbers, turn: int | Numbers = 0) -> Numbers:
        """Return the numbers that stand at ``places`` of the order of ``turn``, or each of an order of its own."""
        turns = np.atleast_1d(np.asarray(turn, np.uint64))
        numbers = self._through(places.astype(np.uint64), turns)
        while len(outside := np.flatnonzero(numbers >= np.uint64(self.size))):
            numbers[outside] = self._through(numbers[outside], turns[outside] if len(turns) > 1 else turns)
        return numbers.astype(np.int64)

    def _through(self, cells: NDArray[np.uint64], turns: NDArray[np.uint64]) -> NDArray[np.uint64]:
        row, column = np.divmod(cells, np.uint64(self._columns))
        for number, key in enumerate(self._keys):
            own = _mixed(turns + key)
            if number % 2:
                column = _added(column, _mixed(own + row), self._columns)
            else:
                row = _added(row, _mixed(own + column), self._rows)
        return row * np.uint64(self._columns) + column


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a hash of each value: the finalizer of SplitMix64 (Steele, Lea & Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _added(values: NDArray[np.uint64], hashes: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """Return ``values`` plus a number below ``size`` that each hash stands for, modulo ``size``."""
    # A product's upper half instead of a remainder, which takes many times as long.
    added = values + ((hashes >> np.uint64(32)) * np.uint64(size) >> np.uint64(32))
    return np.where(added >= np.uint64(size), added - np.uint64(size), added)
