"""Duplicate clusters: texts that training pairs say mean the same, directly or by way of others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minbert.files.long_arrays import parts, spooled


def duplicate_clusters(
    first: NDArray[np.int64], second: NDArray[np.int64], positive: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the clusters (R, 2) of both texts of ``R`` pairs; equal numbers are known duplicates.

    A cluster is named by its smallest text. A text in no positive pair is a cluster of its own.

    Args:
        first: (R,) the number of each pair's first text; equal texts have equal numbers, from 0 on.
        second: (R,) the number of its second text.
        positive: (R,) whether the two mean the same.
    """
    texts = int(max(first.max(initial=-1), second.max(initial=-1))) + 1
    parents = spooled((np.arange(part.start, part.stop) for part in parts(texts)), np.int64)
    left, right = (
        spooled((column[part][positive[part]] for part in parts(len(column))), np.int64) for column in (first, second)
    )
    while _hang_lower(parents, left, right):
        while _rise(parents):
            pass
    clusters = (parents[column[part]] for column in (first, second) for part in parts(len(column)))
    return spooled(clusters, np.int64).reshape(2, -1).T


def _rise(parents: NDArray[np.int64]) -> bool:
    """Put each text below its parent's parent, which halves its way to the root; return whether any moved."""
    moved = False
    for part in parts(len(parents)):
        above = parents[parents[part]]
        moved |= bool((above != parents[part]).any())
        parents[part] = above
    return moved


def _hang_lower(parents: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> bool:
    """Hang the larger root of both texts of each pair below the smaller; return whether any two differed.

    A root may have been hung elsewhere before, which is forgotten. The pair that had done so comes again.
    """
    differed = False
    for part in parts(len(left)):
        one, other = parents[left[part]], parents[right[part]]
        differed |= bool((one != other).any())
        np.minimum.at(parents, np.maximum(one, other), np.minimum(one, other))
    return differed
