from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minbert.data.schedules import Step
from minbert.training.micro_batches import TaskRows, micro_batches

steps = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.lists(st.integers(1, 40), min_size=1, max_size=20), min_size=1
)


def all_rows(step: Step) -> list[TaskRows]:
    """Return the rows of a step that is not cut into shards."""
    return [TaskRows(task, rows, len(rows)) for task, rows in step.items()]


@given(steps, st.integers(1, 100), st.sets(st.sampled_from(["a", "b", "c"])))
def test_every_row_once_in_order_within_the_budget(
    row_lengths: dict[str, list[int]], budget: int, whole: set[str]
) -> None:
    lengths = {task: np.array(values) for task, values in row_lengths.items()}
    step = {task: np.arange(len(values))[::-1] for task, values in row_lengths.items()}
    groups = list(micro_batches(all_rows(step), lengths, budget, whole))
    for task, rows in step.items():
        parts = [own for group in groups for own in group if own.task == task]
        np.testing.assert_array_equal(np.concatenate([own.numbers for own in parts]), rows)
        assert abs(sum(own.share for own in parts) - 1) < 1e-12
        for own in parts:
            assert own.share == len(own.numbers) / len(rows)
            assert task not in whole or own.share == 1
    for group in groups:
        tokens = sum(int(lengths[own.task][own.numbers].sum()) for own in group)
        assert tokens <= budget or (len(group) == 1 and (len(group[0].numbers) == 1 or group[0].task in whole))


def test_a_step_that_fits_is_one_group() -> None:
    lengths = {"a": np.full(4, 5), "b": np.full(2, 10)}
    groups = list(micro_batches(all_rows({"a": np.arange(4), "b": np.arange(2)}), lengths, 40))
    assert [[own.task for own in group] for group in groups] == [["a", "b"]]


def test_whole_rows_that_do_not_fit_leave_their_neighbours_cut_as_before() -> None:
    lengths = {"a": np.full(3, 10), "b": np.full(3, 10), "c": np.full(2, 10)}
    step = {task: np.arange(len(part)) for task, part in lengths.items()}
    groups = list(micro_batches(all_rows(step), lengths, 25, {"b"}))
    assert [[(own.task, len(own.numbers)) for own in group] for group in groups] == [
        [("a", 2)],
        [("a", 1)],
        [("b", 3)],
        [("c", 2)],
    ]
