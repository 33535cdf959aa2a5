"""Recipes, and the words of ``--set``, ``--grid`` and ``--search``: understood, or refused by a message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from damage import ODD, Reader, bounded, damaged_bytes, damaged_tree
from hypothesis import given
from hypothesis import strategies as st

from minbert.errors import UserError
from minbert.files.strict_yaml import read_settings, read_yaml
from minbert.pretraining.recipe import load_pretraining_recipe
from minbert.recipe.recipe import load_recipe
from minbert.recipe.shipped import RECIPES
from minbert.reproduction.budgets import BUDGETS, load_budget
from minbert.reproduction.papers import PAPERS, load_paper
from minbert.sweeping.values import read_grid, read_space

KINDS: dict[str, tuple[Path, Callable[[str], Any]]] = {
    "recipe.yaml": (RECIPES.find("cs224n/seven-tasks"), load_recipe),
    "pretraining.yaml": (RECIPES.find("pretrain/goel"), lambda path: load_pretraining_recipe(path, {})),
    "paper.yaml": (PAPERS.find("goel"), load_paper),
    "budget.yaml": (BUDGETS.find("quick"), load_budget),
}


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    for name, (source, _) in KINDS.items():
        (folder / name).write_bytes(source.read_bytes())
    return folder


@given(name=st.sampled_from(sorted(KINDS)), data=st.data())
@bounded(100)
def test_recipes(recipes: Path, name: str, data: st.DataObject) -> None:
    whole = (recipes / name).read_bytes()
    # JSON is YAML, and says things that no writer of YAML would.
    trees = damaged_tree(read_yaml(recipes / name)).map(lambda tree: json.dumps(tree).encode())
    Reader(recipes, lambda folder: KINDS[name][1](str(folder / name))).bears(
        name, data.draw(trees | trees | damaged_bytes(whole))
    )


_KEYS = ["optimizer.learning_rate", "tasks.mood.head", "schedule.batch_size", "a.b", "", "."]
_TEXTS = [
    "1e-5..1e-3:log",
    "1..9",
    "a|b",
    "cosine|{name: cosine}",
    "1e-5,2e-5",
    "[0.9, 0.99],[1]",
    "null",
    "..",
    "|",
    "1e999..2",
]
_VALUES = st.sampled_from([*_TEXTS, *(json.dumps(odd) for odd in ODD)])
_WORDS = st.builds("{}={}".format, st.sampled_from(_KEYS), _VALUES | st.text(max_size=12)) | st.text(max_size=12)


@given(words=st.lists(_WORDS, max_size=3))
@bounded(200)
def test_words_of_the_command_line(words: list[str]) -> None:
    for read in (read_grid, read_space, lambda given: read_settings(given, "training.epochs=5")):
        try:
            read(words)
        except UserError as error:
            assert str(error)
