"""Texts, or rows with texts, taken some at a time: few where they are long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")

CHARACTERS_AT_ONCE = 2**20


def batches(
    items: Iterable[Item],
    most: int,
    length: Callable[[Item], int] | Callable[[Any], int] = len,
    characters: int = CHARACTERS_AT_ONCE,
) -> Iterator[list[Item]]:
    """Yield ``items`` in order, at most so many at a time, and no more once they have so many ``characters``.

    ``length`` says how many characters an item has. One that has more than all may have comes whole.
    """
    batch: list[Item] = []
    held = 0
    for item in items:
        batch.append(item)
        held += length(item)
        if len(batch) >= most or held >= characters:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
