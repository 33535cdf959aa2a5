"""What every schedule must do, and what each promises: which tasks, how often, in which order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from minbert.data.schedules import Schedule, Step, TaskSize

NAMES = ["alternating", "annealed", "proportional", "round_robin", "sequential", "square_root", "temperature"]
ONE_TASK = [name for name in NAMES if name != "round_robin"]
SIZES = {"sentiment": TaskSize(10, 4), "paraphrase": TaskSize(50, 8), "similarity": TaskSize(7, 7)}
BATCHES = {"sentiment": 3, "paraphrase": 7, "similarity": 1}


def _schedule(name: str, **settings: Any) -> Schedule:
    return Schedule.model_validate({"name": name, **settings})


def _run(schedule: Schedule, sizes: dict[str, TaskSize], epochs: int, seed: int = 0, skip: int = 0) -> list[Any]:
    """Return the steps in a form that can be compared."""
    return [
        (epoch, {task: rows.tolist() for task, rows in step.items()})
        for epoch, step in schedule.steps(sizes, epochs, seed, skip)
    ]


def _task_counts(schedule: Schedule, sizes: dict[str, TaskSize], epochs: int = 1) -> dict[str, int]:
    return dict(Counter(task for _, step in schedule.steps(sizes, epochs, 0) for task in step))


def _stream(steps: list[tuple[int, Step]], task: str) -> list[list[int]]:
    return [step[task] for _, step in steps if task in step]


def test_family_is_complete_and_described() -> None:
    assert sorted(Schedule.members) == sorted([*NAMES, "single"])
    for member in Schedule.members.values():
        assert member.title and member.source
        assert all(field.description for field in member.model_fields.values())


TASK_SIZES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.builds(TaskSize, rows=st.integers(1, 20), batch_size=st.integers(1, 25)),
    min_size=1,
)


@given(name=st.sampled_from(NAMES), sizes=TASK_SIZES, epochs=st.integers(1, 3), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=200, deadline=None)
def test_laws_of_every_schedule(
    name: str, sizes: dict[str, TaskSize], epochs: int, seed: int, data: st.DataObject
) -> None:
    schedule = _schedule(name)
    whole = _run(schedule, sizes, epochs, seed)
    per_epoch = schedule.steps_per_epoch(sizes)
    assert [epoch for epoch, _ in whole] == [e for e in range(1, epochs + 1) for _ in range(per_epoch)]
    assert whole == _run(schedule, sizes, epochs, seed)
    skip = data.draw(st.integers(0, len(whole) + 2))
    assert _run(schedule, sizes, epochs, seed, skip) == whole[skip:]
    for task, size in sizes.items():
        batches = _stream(whole, task)
        for start in range(0, len(batches) - size.batches + 1, size.batches):
            one_pass = batches[start : start + size.batches]
            assert sorted(row for batch in one_pass for row in batch) == list(range(size.rows))
            assert all(len(batch) == size.batch_size for batch in one_pass[:-1])
        alone = _run(schedule, {task: size}, epochs=len(batches) + 1, seed=seed)
        assert batches == _stream(alone, task)[: len(batches)]  # other tasks do not change a task's order


def test_seed_task_and_pass_change_the_order() -> None:
    schedule, size = _schedule("round_robin"), TaskSize(30, 30)
    steps = _run(schedule, {"a": size, "b": size}, epochs=2)
    orders = [rows for _, step in steps for rows in step.values()]
    orders += [rows for _, step in _run(schedule, {"a": size}, epochs=1, seed=1) for rows in step.values()]
    assert len({tuple(order) for order in orders}) == 5


def test_round_robin_has_every_task_in_every_step_and_wraps_around() -> None:
    steps = _run(_schedule("round_robin"), SIZES, epochs=2)
    assert all(list(step) == list(SIZES) for _, step in steps)
    assert [len(rows) for rows in _stream(steps, "sentiment")] == [4, 4, 2] * 4 + [4, 4]
    assert [len(rows) for rows in _stream(steps, "paraphrase")] == [8, 8, 8, 8, 8, 8, 2] * 2


@pytest.mark.parametrize(
    ("epoch", "expected"), [("longest", 7), ("shortest", 1), ("sentiment", 3), ("similarity", 1), (20, 20)]
)
def test_round_robin_epoch_lengths(epoch: str | int, expected: int) -> None:
    schedule = _schedule("round_robin", epoch=epoch)
    assert schedule.steps_per_epoch(SIZES) == expected
    assert _task_counts(schedule, SIZES) == dict.fromkeys(SIZES, expected)


@pytest.mark.parametrize("name", [name for name in ONE_TASK if name != "sequential"])
@pytest.mark.parametrize(
    ("epoch", "expected"), [("all", 11), ("longest", 21), ("shortest", 3), ("sentiment", 9), (20, 20)]
)
def test_one_task_epoch_lengths(name: str, epoch: str | int, expected: int) -> None:
    schedule = _schedule(name, epoch=epoch)
    assert schedule.steps_per_epoch(SIZES) == expected
    steps = _run(schedule, SIZES, epochs=2)
    assert len(steps) == 2 * expected
    assert all(len(step) == 1 for _, step in steps)


def test_short_epochs_use_all_rows_in_the_end() -> None:
    steps = _run(_schedule("round_robin", epoch="shortest"), SIZES, epochs=7)
    assert sorted(row for rows in _stream(steps, "paraphrase") for row in rows) == list(range(50))


def test_sequential_gives_one_task_after_the_other() -> None:
    tasks = [next(iter(step)) for _, step in _run(_schedule("sequential"), SIZES, epochs=2)]
    assert tasks == [task for _ in range(2) for task in SIZES for _ in range(BATCHES[task])]


def test_alternating_takes_turns_across_epochs() -> None:
    tasks = [next(iter(step)) for _, step in _run(_schedule("alternating", epoch=4), SIZES, epochs=3)]
    assert tasks == list(SIZES) * 4


@pytest.mark.parametrize(
    ("name", "parameters", "exponent"),
    [
        ("proportional", {}, 1.0),
        ("square_root", {}, 0.5),
        ("temperature", {"temperature": 1}, 1.0),
        ("temperature", {"temperature": 4}, 0.25),
        ("annealed", {}, 1.0),  # a run of one epoch
    ],
)
def test_tasks_are_drawn_as_often_as_the_formula_says(name: str, parameters: dict[str, Any], exponent: float) -> None:
    draws = 20_000
    sizes = {"small": TaskSize(10, 1), "middle": TaskSize(160, 2), "large": TaskSize(2000, 8)}
    counts = _task_counts(_schedule(name, epoch=draws, **parameters), sizes)
    weights = np.array([10.0, 160.0, 2000.0]) ** exponent
    _check_frequencies([counts[task] for task in sizes], weights / weights.sum())


def test_annealed_goes_from_proportional_to_nearly_even() -> None:
    draws, epochs = 20_000, 3
    sizes = {"small": TaskSize(10, 4), "large": TaskSize(1000, 32)}
    schedule = _schedule("annealed", epoch=draws)
    counts = Counter((epoch, next(iter(step))) for epoch, step in schedule.steps(sizes, epochs, 0))
    for epoch, alpha in ((1, 1.0), (2, 0.6), (3, 0.2)):
        weights = np.array([10.0, 1000.0]) ** alpha
        _check_frequencies([counts[epoch, task] for task in sizes], weights / weights.sum())


def _check_frequencies(counts: list[int], probabilities: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """Pearson's chi-square of the counts; 13.8 is its 99.9 % point for three tasks (two degrees of freedom)."""
    expected = sum(counts) * probabilities
    assert float(((np.array(counts) - expected) ** 2 / expected).sum()) < 13.8


def test_epochs_draw_differently() -> None:
    steps = _run(_schedule("proportional", epoch=40), SIZES, epochs=2)
    tasks = [next(iter(step)) for _, step in steps]
    assert tasks[:40] != tasks[40:]


@pytest.mark.parametrize("name", NAMES)
def test_smallest_run(name: str) -> None:
    assert _run(_schedule(name), {"only": TaskSize(rows=1, batch_size=32)}, epochs=2) == [
        (1, {"only": [0]}),
        (2, {"only": [0]}),
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "at least one task"),
        ({"a": TaskSize(3, 1), "b": TaskSize(0, 1)}, "task 'b' has no rows"),
        ({"a": TaskSize(3, 0)}, "task 'a' has a batch size of 0"),
    ],
)
def test_impossible_sizes_are_told(name: str, sizes: dict[str, TaskSize], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _schedule(name).steps(sizes, 1, 0)  # at once, not when the first step is asked for
    with pytest.raises(ValueError, match=message):
        _schedule(name).steps_per_epoch(sizes)


@pytest.mark.parametrize("name", ["round_robin", "alternating", "proportional"])
def test_unknown_task_is_told_with_the_nearest_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"'sentimnet' is no task \(did you mean 'sentiment'\?\)"):
        _schedule(name, epoch="sentimnet").steps_per_epoch(SIZES)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"name": "sequential", "epoch": "longest"}, "Input should be 'all'"),
        ({"name": "sequential", "epoch": 10}, "Input should be 'all'"),
        ({"name": "round_robin", "epoch": "all"}, "every step has all tasks"),
        ({"name": "round_robin", "epoch": 0}, "greater than or equal to 1"),
        ({"name": "alternating", "epoch": True}, "epoch"),
        ({"name": "alternating", "epoch": 1.5}, "epoch"),
        ({"name": "temperature", "temperature": 0.5}, "greater than or equal to 1"),
        ({"name": "temperature", "temperature": float("inf")}, "finite"),
        ("proportionel", r"did you mean 'proportional'"),
    ],
)
def test_impossible_settings_are_refused(recipe: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Schedule.model_validate(recipe)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        _schedule("round_robin").steps(SIZES, 1, 0, skip=-1)


def test_recipe_survives_writing_and_reading() -> None:
    schedule = _schedule("temperature", temperature=3.0, epoch="sentiment")
    assert Schedule.model_validate(schedule.model_dump()) == schedule


def test_single_trains_one_task_alone() -> None:
    schedule = _schedule("single", task="paraphrase")
    steps = _run(schedule, SIZES, epochs=2)
    assert schedule.steps_per_epoch(SIZES) == 7 and len(steps) == 14
    assert all(list(step) == ["paraphrase"] for _, step in steps)
    assert Counter(row for _, step in steps for row in step["paraphrase"]) == dict.fromkeys(range(50), 2)
    assert _run(schedule, SIZES, epochs=2, skip=5) == steps[5:]


@pytest.mark.parametrize(("epoch", "steps"), [("all", 3), ("longest", 7), ("shortest", 1), ("paraphrase", 7), (5, 5)])
def test_single_can_have_as_many_steps_as_training_with_others_has(epoch: int | str, steps: int) -> None:
    schedule = _schedule("single", task="sentiment", epoch=epoch)
    assert schedule.steps_per_epoch(SIZES) == steps == len(_run(schedule, SIZES, epochs=1))
    assert {task for _, step in schedule.steps(SIZES, 1, 0) for task in step} == {"sentiment"}


def test_single_must_name_a_task_of_the_recipe() -> None:
    with pytest.raises(ValueError, match="'sts' is none of the recipe's tasks: sentiment, paraphrase, similarity"):
        _schedule("single", task="sts").steps_per_epoch(SIZES)
