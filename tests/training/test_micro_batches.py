from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minbert.training.micro_batches import micro_batches

steps = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.lists(st.integers(1, 40), min_size=1, max_size=20), min_size=1
)


@given(steps, st.integers(1, 100), st.sets(st.sampled_from(["a", "b", "c"])))
def test_every_row_once_in_order_within_the_budget(
    row_lengths: dict[str, list[int]], budget: int, whole: set[str]
) -> None:
    lengths = {task: np.array(values) for task, values in row_lengths.items()}
    step = {task: np.arange(len(values))[::-1] for task, values in row_lengths.items()}
    groups = list(micro_batches(step, lengths, budget, whole))
    for task, rows in step.items():
        pieces = [piece for group in groups for piece in group if piece.task == task]
        np.testing.assert_array_equal(np.concatenate([piece.rows for piece in pieces]), rows)
        assert abs(sum(piece.share for piece in pieces) - 1) < 1e-12
        for piece in pieces:
            assert piece.share == len(piece.rows) / len(rows)
            assert task not in whole or piece.share == 1
    for group in groups:
        tokens = sum(int(lengths[piece.task][piece.rows].sum()) for piece in group)
        assert tokens <= budget or (len(group) == 1 and (len(group[0].rows) == 1 or group[0].task in whole))


def test_a_step_that_fits_is_one_group() -> None:
    lengths = {"a": np.full(4, 5), "b": np.full(2, 10)}
    groups = list(micro_batches({"a": np.arange(4), "b": np.arange(2)}, lengths, 40))
    assert [[piece.task for piece in group] for group in groups] == [["a", "b"]]


def test_whole_rows_that_do_not_fit_leave_their_neighbours_cut_as_before() -> None:
    lengths = {"a": np.full(3, 10), "b": np.full(3, 10), "c": np.full(2, 10)}
    groups = list(micro_batches({task: np.arange(len(part)) for task, part in lengths.items()}, lengths, 25, {"b"}))
    assert [[(piece.task, len(piece.rows)) for piece in group] for group in groups] == [
        [("a", 2)],
        [("a", 1)],
        [("b", 3)],
        [("c", 2)],
    ]
