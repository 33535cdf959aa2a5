from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from laws import each
from minbert.files import long_arrays
from minbert.tasks.clusters import duplicate_clusters

rows = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans()), max_size=25)


def clusters_of(pairs: list[tuple[int, int, bool]]) -> np.ndarray:
    first, second, positive = (np.array(column) for column in zip(*pairs, strict=True)) if pairs else ([], [], [])
    return duplicate_clusters(np.array(first, np.int64), np.array(second, np.int64), np.array(positive, bool))


@given(rows, st.integers(1, 30))
def test_clusters_are_the_connected_parts_of_the_positive_pairs(
    pairs: list[tuple[int, int, bool]], at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_arrays, "VALUES_AT_ONCE", at_once)
        got = clusters_of(pairs)
    assert got.shape == (len(pairs), 2)
    linked = [(a, b) for a, b, positive in pairs if positive]
    graph = scipy.sparse.coo_matrix(
        (np.ones(len(linked)), ([a for a, _ in linked], [b for _, b in linked])), shape=(13, 13)
    )
    _, parts = connected_components(graph, directed=False)
    for (a, b, _), found in zip(pairs, got, strict=True):
        for text, cluster in ((a, found[0]), (b, found[1])):
            assert cluster == np.flatnonzero(parts == parts[text]).min()


def test_duplicates_of_duplicates_are_duplicates_and_a_no_joins_nothing() -> None:
    got = clusters_of([(5, 3, True), (7, 5, True), (9, 3, False), (8, 8, False)])
    assert got.tolist() == [[3, 3], [3, 3], [9, 3], [8, 8]]


@each("order", [lambda chain: chain, np.flip, lambda chain: np.random.default_rng(1).permutation(chain)])
def test_a_long_chain_is_one_cluster(order: Callable[[np.ndarray], np.ndarray]) -> None:
    chain = order(np.arange(20_000))
    got = duplicate_clusters(chain[1:][::-1], chain[:-1][::-1], np.ones(19_999, dtype=bool))
    assert (got == 0).all()
