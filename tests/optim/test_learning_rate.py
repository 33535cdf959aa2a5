"""The learning rate's rise and fall, against the closed formulas."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from laws import each
from minbert.optim.learning_rate import LearningRateSettings


def _factors(total: int, **settings: object) -> list[float]:
    schedule = LearningRateSettings.model_validate(settings)
    return [schedule.factor(step, total) for step in range(total)]


def test_linear() -> None:
    expected = [1 / 5, 2 / 5, 3 / 5, 4 / 5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert _factors(10, warmup=4, decay="linear") == pytest.approx(expected, rel=1e-15)


def test_cosine() -> None:
    expected = [1 / 3, 2 / 3, *((1 + math.cos(math.pi * step / 8)) / 2 for step in range(8))]
    assert _factors(10, warmup=0.2, decay="cosine") == pytest.approx(expected, rel=1e-15)


def test_constant() -> None:
    assert _factors(6, warmup=2, decay="constant") == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1], rel=1e-15)


@each("decay", ["constant", "linear", "cosine"])
@each("warmup", [0, 0.0, 0.1, 0.5, 0.999, 1])
@each("total", [1, 2, 3, 10, 997])
def test_every_step_learns_something(decay: str, warmup: float, total: int) -> None:
    factors = _factors(total, warmup=warmup, decay=decay)
    assert all(0 < factor <= 1 for factor in factors)
    highest = factors.index(max(factors))
    assert factors[:highest] == sorted(factors[:highest])
    assert factors[highest:] == sorted(factors[highest:], reverse=True)


def test_share_is_rounded_not_cut() -> None:
    assert LearningRateSettings(warmup=0.29).warmup_steps(100) == 29  # 0.29 * 100 is 28.999999999999996
    assert LearningRateSettings(warmup=0.1).warmup_steps(30) == 3  # 0.1 * 30 is 3.0000000000000004


def test_warmup_longer_than_the_run_is_told() -> None:
    with pytest.raises(ValueError, match="warmup of 11 steps is longer than the run of 10 steps"):
        LearningRateSettings(warmup=11).factor(0, 10)
    assert LearningRateSettings(warmup=10).factor(9, 10) == 10 / 11


@pytest.mark.parametrize("step", [-1, 10])
def test_step_outside_the_run_is_told(step: int) -> None:
    with pytest.raises(ValueError, match=f"step {step} is not in a run of 10 steps"):
        LearningRateSettings().factor(step, 10)


@pytest.mark.parametrize("warmup", [-1, -0.1, 1.0, 10.5, math.nan, math.inf, True, "0.1", None])
def test_impossible_warmup_is_refused(warmup: object) -> None:
    with pytest.raises(ValidationError, match="give a share of the run"):
        LearningRateSettings.model_validate({"warmup": warmup})


def test_number_of_steps_stays_a_number_of_steps() -> None:
    """1 is one step, not the whole run, also after a recipe was written and read again."""
    settings = LearningRateSettings(warmup=1)
    again = LearningRateSettings.model_validate_json(settings.model_dump_json())
    assert again.warmup_steps(100) == 1
    assert (
        LearningRateSettings.model_validate_json(LearningRateSettings(warmup=0.0).model_dump_json()).factor(0, 9) == 1
    )
