"""Part of the rows: as many as asked for, each once, and a smaller sample inside a larger one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from minbert.data.subsample import WantedRows, subsample


@given(rows=st.integers(1, 200), seed=st.integers(0, 9), data=st.data())
def test_samples_are_distinct_sorted_and_nested(rows: int, seed: int, data: st.DataObject) -> None:
    larger = data.draw(st.integers(1, rows))
    smaller = data.draw(st.integers(1, larger))
    sample = subsample(rows, larger, seed, "a")
    assert len(sample) == larger
    assert np.all(np.diff(sample) > 0) and sample[0] >= 0 and sample[-1] < rows
    assert sample.dtype == np.int64
    assert set(subsample(rows, smaller, seed, "a")) <= set(sample)


@pytest.mark.parametrize(
    ("rows", "wanted", "count"), [(200, "10%", 20), (8544, "100%", 8544), (10, "1%", 1), (1000, "0.5%", 5), (7, 7, 7)]
)
def test_amounts(rows: int, wanted: int | str, count: int) -> None:
    assert len(subsample(rows, wanted, 0, "a")) == count


def test_seed_and_task_change_the_sample_and_nothing_else_does() -> None:
    samples = [subsample(1000, 100, seed, task).tolist() for seed, task in ((0, "a"), (1, "a"), (0, "b"))]
    assert len({tuple(sample) for sample in samples}) == 3
    assert subsample(1000, "10%", 0, "a").tolist() == samples[0]


def test_more_than_there_is_is_told() -> None:
    with pytest.raises(ValueError, match="there are 10 rows, but 11 are wanted"):
        subsample(10, 11, 0, "a")


class _Recipe(BaseModel):
    rows: WantedRows


@pytest.mark.parametrize("wanted", [1, 8544, "10%", "0.5%", "100%"])
def test_recipe_accepts(wanted: int | str) -> None:
    assert _Recipe.model_validate({"rows": wanted}).rows == wanted


@pytest.mark.parametrize("wanted", [0, -3, True, 1.5, "0%", "101%", "10", "ten", "10 %", "-5%", "nan%", None])
def test_recipe_refuses(wanted: Any) -> None:
    with pytest.raises(ValidationError, match="is no amount of rows: give a whole number above 0"):
        _Recipe.model_validate({"rows": wanted})
