"""Reading what a sweep varies."""

from __future__ import annotations

from typing import Any

import pytest

from minbert.errors import UserError
from minbert.recipe.recipe import Recipe, load_recipe, parse_recipe
from minbert.sweeping.values import Choices, Range, base_value, compact, read_grid, read_space, short_keys


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-5,2e-5", [1e-5, 2e-5]),
        ("-.5E+2,3,0.1", [-50.0, 3, 0.1]),
        ("1e-5", [1e-5]),
        ("sum,pcgrad", ["sum", "pcgrad"]),
        ("[sum, pcgrad]", ["sum", "pcgrad"]),
        ("sum,{name: gradnorm, alpha: 1e0}", ["sum", {"name": "gradnorm", "alpha": 1.0}]),
        ("[0.9, 0.99],[0.8, 0.9]", [[0.9, 0.99], [0.8, 0.9]]),
        ("[[0.9, 0.99]]", [[0.9, 0.99]]),
        ("null,1,true", [None, 1, True]),
        ("'1,5',e5", ["1,5", "e5"]),
    ],
)
def test_values_of_a_grid(text: str, values: list[Any]) -> None:
    got = read_grid([f"some.key={text}"])["some.key"]
    assert got == values
    assert list(map(type, got)) == list(map(type, values))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["learning_rate"], "write KEY=VALUES"),
        (["=1"], "write KEY=VALUES"),
        (["a="], "names no value"),
        (["a=[1,"], "not a list of YAML values"),
        (["a=1e-5,0.00001"], "1e-05 is given twice"),
        (["a=1", "a=2"], "a is given twice"),
        (["seed=1,2"], "--seeds"),
        (["training.select=overall,mood"], "--set"),
    ],
)
def test_words_of_a_grid_that_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_grid(words)


def test_a_space() -> None:
    space = read_space(["a=1..5", "b=1e-5..1e-3:log", "c=sum|{name: gradnorm, alpha: 1e0}", "d=-1..-.5", "e=1|2"])
    assert space["a"] == Range(1, 5, log=False)
    assert isinstance(space["a"].low, int)
    assert space["b"] == Range(1e-5, 1e-3, log=True)
    assert space["c"] == Choices({"sum": "sum", "{name: gradnorm, alpha: 1e0}": {"name": "gradnorm", "alpha": 1.0}})
    assert space["d"] == Range(-1, -0.5, log=False)
    assert str(space["b"]) == "1e-05..0.001:log"
    assert str(space["e"]) == "1|2"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a=5..1", "smaller"),
        ("a=1..1", "smaller"),
        ("a=0..1:log", "above 0"),
        ("a=1", "write KEY=low..high"),
        ("a=x|x", "different values"),
        ("a=x|", "different values"),
        ("a=[1|2", "not a YAML value"),
        ("a=1..2:lin", "write KEY=low..high"),
    ],
)
def test_spaces_that_are_refused(word: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_space([word])


def test_short_keys_stay_apart() -> None:
    keys = ["optimizer.learning_rate", "tasks.a.loss", "tasks.b.loss", "loss", "training.epochs"]
    assert list(short_keys(keys).values()) == ["learning_rate", "a.loss", "b.loss", "loss", "epochs"]


def test_the_recipes_own_values(two_tasks: dict[str, Any]) -> None:
    recipe: Recipe = parse_recipe(two_tasks | {"combination": {"name": "gradnorm", "alpha": 0.25}}, "test")
    assert base_value(recipe, "optimizer.learning_rate") == 1e-3
    assert base_value(recipe, "optimizer.betas") == [0.9, 0.999]
    assert base_value(recipe, "tasks.mood.head") == "linear"
    assert base_value(recipe, "schedule.method") == "round_robin"
    assert base_value(recipe, "combination")["alpha"] == 0.25
    assert base_value(recipe, "combination.alpha") == 0.25
    assert base_value(recipe, "combination.beta") is None
    assert compact({"name": "gradnorm", "alpha": 0.5}) == "{name: gradnorm, alpha: 0.5}"
    assert compact(None) == "null"


def test_set_takes_exponents_for_numbers_too() -> None:
    """``warmup`` tells shares from steps by type, so the word '1e-2' would be refused."""
    assert load_recipe("quickstart", {}, ["optimizer.warmup=1e-2"]).optimizer.warmup == 0.01
