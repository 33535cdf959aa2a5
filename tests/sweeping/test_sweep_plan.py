"""From a grid to runs; what cannot be trained is told before anything is."""

from __future__ import annotations

from pathlib import Path

import pytest

from minbert.errors import UserError
from minbert.recipe.recipe import load_recipe
from minbert.recipe.seeds import read_seeds
from minbert.sweeping.plan import Source, check_space, plan_grid, with_seeds
from minbert.sweeping.values import Range, read_space


@pytest.fixture
def source(two_tasks_file: Path) -> Source:
    return Source(str(two_tasks_file), {}, ["training.epochs=3"])


def test_the_product(source: Source, two_tasks_file: Path) -> None:
    plan = plan_grid(source, {"optimizer.learning_rate": [1e-3, 1e-4], "schedule.batch_size": [4, 8]}, False)
    assert [one.name for one in plan] == [
        "learning_rate=0.001,batch_size=4",
        "learning_rate=0.001,batch_size=8",
        "learning_rate=0.0001,batch_size=4",
        "learning_rate=0.0001,batch_size=8",
    ]
    words = ["training.epochs=3", "optimizer.learning_rate=0.0001", "schedule.batch_size=8"]
    assert plan[3].recipe == load_recipe(str(two_tasks_file), {}, words)
    assert plan[0].recipe == source.recipe
    assert plan[3].changes == {"optimizer.learning_rate": 1e-4, "schedule.batch_size": 8}


def test_one_key_at_a_time(source: Source) -> None:
    """The recipe's own values (1e-3, 4) are the base row and not trained again."""
    grid = {"optimizer.learning_rate": [1e-4, 1e-3, 1e-2], "schedule.batch_size": [4, 8]}
    plan = plan_grid(source, grid, True)
    assert [one.name for one in plan] == ["base", "learning_rate=0.0001", "learning_rate=0.01", "batch_size=8"]
    assert plan[0].recipe == source.recipe
    assert plan[3].recipe.schedule.batch_size == 8
    assert plan[3].recipe.optimizer == source.recipe.optimizer


def test_a_method_gets_settings_of_a_later_key(source: Source) -> None:
    plan = plan_grid(source, {"combination": ["gradnorm", "dwa"], "optimizer.decay": ["cosine"]}, False)
    assert [one.recipe.combination.name for one in plan] == ["gradnorm", "dwa"]
    plan = plan_grid(source, {"combination": [{"name": "gradnorm", "alpha": 0.5}], "combination.alpha": [2.0]}, False)
    assert plan[0].recipe.combination.model_dump()["alpha"] == 2.0


def test_names_are_fit_for_folders_and_apart(source: Source) -> None:
    values = [{"name": "gradnorm", "alpha": 0.5}, {"name": "gradnorm", "alpha": -0.0 + 0.25}]
    names = [one.name for one in plan_grid(source, {"combination": values}, False)]
    assert names == ["combination=name-gradnorm-alpha-0.5", "combination=name-gradnorm-alpha-0.25"]
    close = [one.name for one in plan_grid(source, {"optimizer.learning_rate": [1.00001e-3, 1.00002e-3]}, False)]
    assert len(set(close)) == 2
    description = plan_grid(source, {"description": ["a/../b", "x" * 300]}, False)
    assert description[0].name == "description=a-..-b"
    assert len(description[1].name) < 120


def test_all_refusals_are_told_at_once(source: Source) -> None:
    """A bad value, an unknown key's value, and two that each would do but not together (which only preparing shows)."""
    grid = {
        "optimizer.learning_rate": [1e-3, -1],
        "combination": ["sum", "pcgrad", "pcgard"],
        "schedule.method": ["round_robin", "annealed"],
    }
    with pytest.raises(UserError) as refused:
        plan_grid(source, grid, False)
    text = str(refused.value)
    assert text.startswith("9 of 12 configurations cannot be trained, so none was:")
    assert "optimizer.learning_rate: input should be greater than 0" in text
    assert "did you mean 'pcgrad'" in text
    assert "use schedule.method=round_robin, not 'annealed'" in text
    with pytest.raises(UserError, match="did you mean 'learning_rate'"):
        plan_grid(source, {"optimizer.learnin_rate": [1]}, False)


def test_seeds(source: Source) -> None:
    assert read_seeds("3", 11) == [11, 12, 13]
    assert read_seeds("5,3", 11) == [5, 3]
    for wrong in ("0", "1,1", "a", "1,", "-1", ""):
        with pytest.raises(UserError, match="--seeds"):
            read_seeds(wrong, 11)
    plan = plan_grid(source, {"optimizer.learning_rate": [1e-4, 1e-5]}, False)
    runs = with_seeds(plan, [5, 3])
    assert [run.name for run in runs][:2] == ["learning_rate=0.0001,seed=5", "learning_rate=0.0001,seed=3"]
    assert [run.recipe.seed for run in runs] == [5, 3, 5, 3]
    assert runs[3].recipe.optimizer.learning_rate == 1e-5
    assert [(run.name, run.seed) for run in with_seeds(plan[:1], None)] == [("learning_rate=0.0001", 11711)]


def test_ranges_take_their_kind_from_the_key(source: Source) -> None:
    words = ["training.epochs=1..4", "optimizer.weight_decay=0..1", "schedule.batch_size=4.0..16.0:log"]
    ready = check_space(source, read_space([*words, "optimizer.warmup=0..3"]))
    assert [type(values.low) for values in ready.values() if isinstance(values, Range)] == [int, float, int, int]
    with pytest.raises(UserError) as refused:
        check_space(source, read_space(["training.epochs=0..4", "optimizer.decay=linear|liner"]))
    assert "training.epochs: input should be greater than or equal to 1" in str(refused.value)
    assert "optimizer.decay" in str(refused.value)
