"""Arrays of any length: looked at a part at a time, and in a mapped file where they are long, so memory does not grow.

What these functions return is, bit for bit, what numpy's of the same arrays would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from minbert.files.spool import Spool

Number = TypeVar("Number", np.int64, np.uint64)

VALUES_AT_ONCE = 2**18
"""Values looked at together: two megabytes of most numbers."""


def parts(total: int, size: int | None = None) -> Iterator[slice]:
    """Yield slices of a row of ``total`` values, end to end, each of ``size`` values; by default many."""
    size = size or VALUES_AT_ONCE
    return (slice(start, min(start + size, total)) for start in range(0, total, size))


def spooled(values: Iterable[NDArray[Any]], dtype: type[Any]) -> NDArray[Any]:
    """Return all ``values`` one after another, (n,).

    Raises:
        UserError: there is no room for them.
    """
    spool = Spool(dtype)
    for part in values:
        spool.write(part)
    return spool.array()


def zeros(total: int, dtype: type[Any]) -> NDArray[Any]:
    """Return so many zeros (n,), which may be changed there; see ``spooled``."""
    return spooled((np.zeros(part.stop - part.start, dtype) for part in parts(total)), dtype)


def shuffled(total: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return ``generator.permutation(total)``; see ``spooled``."""
    order = spooled((np.arange(part.start, part.stop) for part in parts(total)), np.int64)
    generator.shuffle(order)
    return order


def sorted_distinct(values: Iterable[NDArray[Number]], dtype: type[Number]) -> NDArray[Number]:
    """Return the different ones of all ``values`` in order, as ``np.unique`` does; see ``spooled``."""
    ordered = spooled(values, dtype)
    ordered.sort()
    return spooled((_first_ones(ordered, part) for part in parts(len(ordered))), dtype)


def _first_ones(ordered: NDArray[Number], part: slice) -> NDArray[Number]:
    """Return those values of a part that are not the same as the one before."""
    values = ordered[part]
    is_first = np.append(not part.start or values[0] != ordered[part.start - 1], values[1:] != values[:-1])
    first_ones: NDArray[Number] = values[is_first]
    return first_ones


def mapped(path: Path, dtype: type[Any]) -> NDArray[Any]:
    """Return a file of numbers as an array that is read from the disk when it is used."""
    if not path.stat().st_size:  # which cannot be mapped
        return np.empty(0, dtype)
    return np.memmap(path, dtype, "r").view(np.ndarray)
