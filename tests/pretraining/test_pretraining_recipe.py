"""Pretraining recipes: those that ship, what may stand in one, and the page that lists their keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minbert.errors import UserError
from minbert.pretraining.recipe import PretrainingRecipe, load_pretraining_recipe, parse_pretraining_recipe
from minbert.recipe.recipe import load_recipe
from minbert.recipe.shipped import pretraining_recipe_names, recipe_names

SMALL: dict[str, Any] = {"data": "sample", "corpora": {"mine": {"files": "a.txt"}, "other": {"files": "b.txt"}}}


@pytest.mark.parametrize("name", pretraining_recipe_names())
def test_every_shipped_recipe_reads_and_repeats_itself(name: str) -> None:
    recipe = load_pretraining_recipe(name)
    assert recipe.description
    assert parse_pretraining_recipe(yaml.safe_load(recipe.to_yaml()), "again") == recipe


def test_the_two_kinds_of_recipe_are_told_apart() -> None:
    assert pretraining_recipe_names() == ["pretrain/cs224n", "pretrain/goel", "pretrain/li-ya", "pretrain/sample"]
    assert not {*pretraining_recipe_names()} & {*recipe_names()}
    with pytest.raises(UserError, match="corpora: unknown key"):
        load_recipe("pretrain/sample")
    with pytest.raises(UserError, match="tasks: unknown key"):
        load_pretraining_recipe("quickstart")


def test_the_course_recipe_names_the_files_of_the_training_recipes() -> None:
    named = {
        file for corpus in load_pretraining_recipe("pretrain/cs224n").corpora.values() for file in corpus.files or []
    }
    tasks = [*load_recipe("cs224n/multitask").tasks.values(), *load_recipe("cs224n/cfimdb").tasks.values()]
    assert named == {task.files.train for task in tasks}


def test_one_file_and_one_column_need_no_list() -> None:
    recipe = parse_pretraining_recipe({"corpora": {"mine": {"files": "a.tsv", "column": "text"}}}, "here")
    assert (recipe.corpora["mine"].files, recipe.corpora["mine"].column) == (["a.tsv"], ["text"])


def test_a_corpus_can_be_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: pretrain/cs224n\ncorpora: {cfimdb: null, sst: {weight: 2}}\n")
    recipe = load_pretraining_recipe(str(path), settings=["corpora.quora=null"])
    assert list(recipe.corpora) == ["sst", "sts"]
    assert recipe.corpora["sst"].weight == 2
    assert recipe.corpora["sst"].files == ["ids-sst-train.csv"]


def test_paths_are_meant_from_the_recipe_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    path = tmp_path / "sub/mine.yaml"
    path.write_text("data: ../texts\ncorpora: {a: {recipe: ../train.yaml}, b: {recipe: quickstart}}\n")
    recipe = load_pretraining_recipe(str(path))
    assert recipe.data == str(tmp_path / "texts")
    assert recipe.corpora["a"].recipe == str(tmp_path / "train.yaml")
    assert recipe.corpora["b"].recipe == "quickstart"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("corpra.mine.weight=1", ["corpra", "did you mean 'corpora'"]),
        ("corpora.mine.wieght=1", ["corpora.mine.wieght", "did you mean 'weight'"]),
        ("corpora.mine.weight=0", ["corpora.mine.weight", "greater than 0"]),
        ("corpora.mine.recipe=quickstart", ["corpora.mine", "either"]),
        ("corpora.mine.files=null", ["corpora.mine", "either"]),
        ("corpora.mine.files=[]", ["corpora.mine", "either"]),
        ("corpora.mine.task=sentiment", ["corpora.mine", "'task' goes with 'recipe'"]),
        ("corpora.mine.column=text", ["corpora.mine", ".txt file has no columns"]),
        ("corpora.mine.at_most=0", ["corpora.mine.at_most"]),
        ("corpora.overall={files: a.txt}", ["overall"]),
        ("corpora.7={files: a.txt}", ["no name for a corpus"]),
        ("corpora=null", ["corpora"]),
        ("corpora={}", ["corpora"]),
        ("size_power=2", ["size_power"]),
        ("held_out.share=0", ["held_out.share"]),
        ("held_out.share=0.9", ["held_out.share"]),
        ("masking.share=1.5", ["masking.share"]),
        ("masking.mask=0.95", ["masking", "1.05"]),
        ("masking.whole_word=true", ["did you mean 'whole_words'"]),
        ("head=linear", ["head", "two_layer"]),
        ("training.epoch=3", ["training.epoch", "did you mean 'epochs'"]),
        ("optimizer.warmup=1.5", ["optimizer.warmup"]),
    ],
)
def test_a_wrong_setting_is_one_clear_message(tmp_path: Path, setting: str, words: list[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    with pytest.raises(UserError) as caught:
        load_pretraining_recipe(str(path), settings=[setting])
    for word in [str(path), *words]:
        assert word in str(caught.value)


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(st.sampled_from(sorted(PretrainingRecipe.model_fields)), trees)
def test_garbage_values_are_refused_not_crashed_on(tmp_path: Path, key: str, tree: Any) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(SMALL | {key: tree}), encoding="utf-8")
    try:
        recipe = load_pretraining_recipe(str(path))
    except UserError:
        return
    assert parse_pretraining_recipe(yaml.safe_load(recipe.to_yaml()), "again") == recipe
