"""Duplicate clusters: texts that training pairs say mean the same, directly or by way of others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
    parents = list(range(max(first.max(initial=-1), second.max(initial=-1)) + 1))

    def root(text: int) -> int:
        while parents[text] != text:
            parents[text] = parents[parents[text]]  # halves the way for the next one
            text = parents[text]
        return text

    for left, right in zip(first[positive].tolist(), second[positive].tolist(), strict=True):
        one, other = sorted((root(left), root(right)))
        parents[other] = one
    roots = np.array([root(text) for text in range(len(parents))], dtype=np.int64)
    return np.stack([roots[first], roots[second]], axis=1)
