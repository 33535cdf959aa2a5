"""A budget changes how much is spent, and nothing that makes a recipe the system that it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minbert.errors import UserError
from minbert.recipe.recipe import Recipe, load_recipe, parse_recipe
from minbert.recipe.shipped import recipe_names
from minbert.reproduction.budgets import BUDGETS, Budget, load_budget


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Return a recipe's leaves by dotted key."""
    if isinstance(tree, list) and all(isinstance(inner, dict) for inner in tree):
        tree = {str(number): inner for number, inner in enumerate(tree)}
    if not isinstance(tree, dict):
        return {prefix[:-1]: tree}
    return {key: value for name, inner in tree.items() for key, value in flat(inner, f"{prefix}{name}.").items()}


def changes(budget: Budget, recipe: Recipe) -> dict[str, Any]:
    before, after = (flat(one.model_dump(mode="json")) for one in (recipe, budget.apply(recipe)))
    return {key: value for key, value in after.items() if before.get(key) != value}


@pytest.mark.parametrize("budget", ["smoke", "quick", "fair", "full"])
def test_shipped_budgets_touch_only_what_may_be_spent(budget: str) -> None:
    allowed = ("rows", "dev_rows", "test", "epochs", "learning_rate", "head_learning_rate", "max_length", "pooling")
    names = [name for name in recipe_names() if not name.startswith(("cs224n", "quickstart"))]
    changed = {(name, key) for name in names for key in changes(load_budget(budget), load_recipe(name))}
    wrong = {
        (name, key)
        for name, key in changed
        if key.rsplit(".", 1)[-1] not in allowed and not key.startswith("encoder.pretraining.changes")
    }
    assert not wrong
    assert (budget == "full") == (not changed)


def test_rows_are_a_share_of_what_the_recipe_takes(two_tasks: dict[str, Any]) -> None:
    two_tasks["tasks"]["mood"]["rows"] = 20
    two_tasks["tasks"]["close"]["rows"] = "50%"
    recipe = Budget(rows=0.2).apply(parse_recipe(two_tasks, "test"))
    assert recipe.tasks["mood"].rows == 4 and recipe.tasks["close"].rows == "10%"
    del two_tasks["tasks"]["close"]["rows"]
    assert Budget(rows=0.2).apply(parse_recipe(two_tasks, "test")).tasks["close"].rows == "20%"
    assert Budget(rows=0.001).apply(parse_recipe(two_tasks, "test")).tasks["mood"].rows == 1
    assert Budget().apply(parse_recipe(two_tasks, "test")) == parse_recipe(two_tasks, "test")


def test_an_epoch_in_steps_shrinks_with_the_rows(two_tasks: dict[str, Any]) -> None:
    two_tasks["schedule"]["method"] = {"name": "round_robin", "epoch": 50}
    assert changes(Budget(rows=0.1), parse_recipe(two_tasks, "test"))["schedule.method.epoch"] == 5


def test_rates_are_scaled_where_the_encoder_is_trained_and_epochs_are_at_most(two_tasks: dict[str, Any]) -> None:
    two_tasks["optimizer"] = {"learning_rate": 1e-5, "head_learning_rate": None}
    two_tasks["training"]["epochs"] = 9
    budget = Budget(learning_rate=5, head_learning_rate=100, epochs=2, frozen_epochs=20)
    trained = budget.apply(parse_recipe(two_tasks, "test"))
    assert trained.optimizer.learning_rate == pytest.approx(5e-5)
    assert trained.optimizer.head_learning_rate == pytest.approx(1e-3)  # the heads', which was the encoder's
    assert trained.training.epochs == 2
    two_tasks["training"]["encoder"] = "frozen"
    frozen = budget.apply(parse_recipe(two_tasks, "test"))
    assert frozen.optimizer == parse_recipe(two_tasks, "test").optimizer and frozen.training.epochs == 9


def test_fair_reads_all_rows_three_times_at_the_rates_of_our_own_recipe() -> None:
    ours, paper = load_recipe("cs224n/multitask"), load_recipe("goel/baseline")
    fair = load_budget("fair").apply(paper)
    assert fair.optimizer.learning_rate == pytest.approx(ours.optimizer.learning_rate)
    assert fair.optimizer.head_learning_rate == pytest.approx(ours.optimizer.head_learning_rate)
    assert fair.training.epochs == ours.training.epochs == 3
    assert [task.rows for task in fair.tasks.values()] == [task.rows for task in paper.tasks.values()]


def test_files_of_other_tasks_are_cut_too() -> None:
    (shared,) = Budget(rows=0.1).apply(load_recipe("gao/in-domain")).tasks["similarity"].also_train_on
    assert shared.rows == "10%"


def test_every_corpus_of_pretraining_gets_at_most_so_many_texts() -> None:
    first = Budget(pretraining_texts=7).apply(load_recipe("li-ya/further-pretraining")).encoder.pretraining
    assert first is not None
    assert first.changes == {f"corpora.{name}.at_most": 7 for name in ("sst", "sts", "imdb", "quora")}


def test_pretraining_that_comes_first_has_its_own_changes() -> None:
    first = Budget(pretraining={"training.epochs": 1}).apply(load_recipe("goel/cos-relu-pcg-mlm")).encoder.pretraining
    assert first is not None and first.changes == {"training.epochs": 1}


def test_budgets_of_ones_own_and_budgets_that_cannot_be_used(tmp_path: Path) -> None:
    assert BUDGETS.names == ["fair", "full", "quick", "smoke"]
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 3\n")
    assert load_budget(str(path)).epochs == 3
    path.write_text("epoch: 3\n")
    with pytest.raises(UserError, match=r"did you mean 'epochs'"):
        load_budget(str(path))
    path.write_text("a: [\n")
    with pytest.raises(UserError, match="is not YAML"):
        load_budget(str(path))
    with pytest.raises(UserError, match=r"did you mean 'quick'.*known: fair, full, quick, smoke"):
        load_budget("quik")
