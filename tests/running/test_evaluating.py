"""A run whose two descriptions of its labels disagree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.recipe.recipe import parse_recipe
from minbert.running.evaluating import evaluate_run
from minbert.running.prepare import check_recipe
from minbert.running.run import train_recipe


def test_labels_of_the_recipe_and_of_the_model_must_be_the_same(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    run = tmp_path / "run"
    train_recipe(
        parse_recipe(two_tasks | {"training": {"epochs": 1, "head_start": "random"}}, "test"), run, False, quiet
    )
    config = json.loads((run / "config.json").read_text())
    task = config["minbert"]["tasks"]["mood"]
    assert task["kind"] == "classification"
    count = task["classes"]
    names = [str(number) for number in range(count)] if isinstance(count, int) else count
    for changed in ([*names[:-1], "else"], names[::-1]):
        task["classes"] = changed
        (run / "config.json").write_text(json.dumps(config))
        with pytest.raises(UserError, match=r"task 'mood' is 'classification: .*' in recipe.yaml, but '.*' in config"):
            evaluate_run(run, display=quiet)
    task["classes"] = names
    (run / "config.json").write_text(json.dumps(config))
    assert evaluate_run(run, display=quiet).tasks.keys() == two_tasks["tasks"].keys()
    task |= {"kind": "multilabel", "classes": ["a", "b"], "loss": "binary_cross_entropy", "metric": "micro_f1"}
    task |= {"thresholds": {"a": 1.0}, "class_weights": None}
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError) as caught:
        evaluate_run(run, display=quiet)
    told = "kind.thresholds: give each class a number between 0 and 1; found class 'a': 1.0."
    assert str(caught.value) == f"{run / 'config.json'}: its 'minbert' part is damaged: {told}"


def test_weights_that_leave_every_training_row_out_are_refused(two_tasks: dict[str, Any], quiet: Display) -> None:
    two_tasks["tasks"]["mood"] |= {"classes": 4, "class_weights": {"0": 0, "1": 0, "2": 0}}
    with pytest.raises(UserError, match=r"tasks.mood.class_weights: it is 0 for every class that the train rows have"):
        check_recipe(parse_recipe(two_tasks, "test"), quiet)
