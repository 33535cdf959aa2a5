"""A head that nothing trains never chooses the model, and a kept model that has learned nothing is told of."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from laws import each
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.pretraining.recipe import parse_pretraining_recipe
from minbert.pretraining.run import pretrain_recipe
from minbert.recipe.recipe import Recipe, load_recipe, parse_recipe
from minbert.recipe.shipped import recipe_names
from minbert.running.prepare import check_heads_learn, check_recipe, prepare
from minbert.running.run import train_recipe
from minbert.tasks.heads import Head
from minbert.tasks.losses import Loss
from minbert.tasks.settings import TaskSettings

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")

KINDS: dict[str, dict[str, Any]] = {"binary": {"kind": "binary"}, "regression": {"kind": "regression", "range": [0, 5]}}
BEST = {"binary": "binary_cross_entropy", "regression": "mse"}
HEADS = {
    kind: sorted(
        name
        for name in Head.members
        if not Head.model_validate(name).refusal(TaskSettings.model_validate(task).kind, "bi")
    )
    for kind, task in KINDS.items()
}
OVER_VECTORS = {
    kind: sorted(name for name, loss in Loss.members.items() if loss.over_vectors == "texts" and kind in loss.kinds)
    for kind in KINDS
}
ALONE = [(kind, head, loss) for kind in KINDS for head in HEADS[kind] for loss in OVER_VECTORS[kind]]
"""Every loss over the vectors of a pair, alone, under every head that it goes with."""


def recipe_of(kind: str, head: str, loss: Any, **changes: Any) -> Recipe:
    """Return a recipe of one task on pairs. A loss may be a name; ``mnrl`` gets what it needs."""
    task = {"files": {"train": "train.tsv", "dev": "dev.tsv"}, "text": ["a", "b"], "label": "same", **KINDS[kind]}
    losses = loss if isinstance(loss, list) else [loss]
    threshold = {"threshold": 3} if kind == "regression" else {}
    losses = [{"name": "mnrl", **threshold} if one == "mnrl" else one for one in losses]
    return parse_recipe({"data": ".", "tasks": {"pairs": task | {"head": head, "loss": losses}}, **changes}, "test")


@pytest.mark.parametrize(("kind", "head"), [(kind, head) for kind in KINDS for head in HEADS[kind]])
def test_a_head_says_whether_it_has_weights(kind: str, head: str) -> None:
    task = TaskSettings.model_validate({**KINDS[kind], "pair": "bi", "head": head})
    assert task.head.has_weights == bool(list(task.head.build(8, task.kind, "bi").parameters()))


@each(("kind", "head", "loss"), ALONE)
def test_a_head_that_no_loss_trains_is_refused(kind: str, head: str, loss: str) -> None:
    recipe = recipe_of(kind, head, loss)
    if head == "cosine":
        assert kind == "regression"
        check_heads_learn(recipe, {})
        return
    remedy = rf"Add a loss that trains it \(loss: \[{loss}, {BEST[kind]}\]\)"
    if kind == "regression":
        remedy += r", or take a head without weights \(head: cosine\)"
    with pytest.raises(
        UserError, match=rf"^tasks\.pairs\.loss: no loss trains the head '{head}' \({loss}\), .*{remedy}\.$"
    ):
        check_heads_learn(recipe, {})
    check_heads_learn(recipe, {"pairs": {Path("teacher"): 1.0}})
    check_heads_learn(recipe_of(kind, head, [loss, BEST[kind]]), {})


def test_what_does_not_train_a_head_is_no_remedy() -> None:
    """A loss of no weight, another loss over vectors, and tuning the head when the model is chosen."""
    for loss in (["mnrl", "cosent"], ["mnrl", {"name": "binary_cross_entropy", "weight": 0}]):
        with pytest.raises(UserError, match=r"no loss trains the head 'linear'"):
            check_heads_learn(recipe_of("binary", "linear", loss), {})
    with pytest.raises(UserError, match=r"no loss trains the head 'linear'"):
        check_heads_learn(recipe_of("binary", "linear", "mnrl", training={"head_epochs": 3}), {})


def test_a_frozen_encoder_needs_a_head_to_train_in_a_task_that_is_trained(two_tasks: dict[str, Any]) -> None:
    two_tasks["tasks"]["close"] |= {"head": "cosine", "loss": "cosent"}
    two_tasks["training"]["encoder"] = "frozen"
    two_tasks["schedule"]["method"] = {"name": "single", "task": "mood"}
    check_heads_learn(parse_recipe(two_tasks, "test"), {})
    two_tasks["schedule"]["method"] = {"name": "single", "task": "close"}
    with pytest.raises(UserError, match=r"'frozen' leaves nothing to train"):
        check_heads_learn(parse_recipe(two_tasks, "test"), {})


@pytest.mark.parametrize(("select", "told"), [("overall", True), ("close.pearson", True), ("mood.accuracy", False)])
def test_heads_that_a_schedule_leaves_untrained_are_told_of_where_they_count(
    two_tasks: dict[str, Any], select: str, told: bool
) -> None:
    two_tasks["schedule"]["method"] = {"name": "single", "task": "mood"}
    two_tasks["training"]["select"] = select
    said = told_by(lambda display: prepare(parse_recipe(two_tasks, "test"), display))
    assert (f"leaves the heads of close untrained, and training.select={select} counts" in said) == told


@pytest.mark.parametrize(("steps", "told"), [(1, True), (2, False)])
def test_a_task_without_a_step_is_told(two_tasks: dict[str, Any], tmp_path: Path, steps: int, told: bool) -> None:
    two_tasks["schedule"]["method"] = {"name": "alternating", "epoch": steps}
    two_tasks["training"]["epochs"] = 1
    said = told_by(lambda display: train_recipe(parse_recipe(two_tasks, "test"), tmp_path / "run", display=display))
    assert ("no step was made for close: the schedule gave" in said) == told


@each("name", recipe_names())
def test_every_shipped_recipe_trains_its_heads(name: str) -> None:
    check_heads_learn(load_recipe(name), {})


def test_it_is_told_before_anything_is_written(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    two_tasks["tasks"]["close"] |= {"head": "linear", "loss": {"name": "mnrl", "threshold": 3}}
    recipe = parse_recipe(two_tasks, "test")
    for check in (lambda: check_recipe(recipe, quiet), lambda: train_recipe(recipe, tmp_path / "run", False, quiet)):
        with pytest.raises(UserError, match=r"^tasks\.close\.loss: no loss trains the head"):
            check()
    assert not (tmp_path / "run").exists()


def told_by(run: Any) -> str:
    """Return what a run prints."""
    console = Console(file=io.StringIO(), width=200)
    run(Display(console))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("learning_rate", "told"), [(1e-12, True), (0.02, False)])
def test_a_kept_model_of_step_0_is_told_of(
    two_tasks: dict[str, Any], tmp_path: Path, learning_rate: float, told: bool
) -> None:
    two_tasks["optimizer"] = {"learning_rate": learning_rate, "head_learning_rate": learning_rate}
    two_tasks["training"]["select"] = "mood"
    two_tasks["seed"] = 1  # with another one chance may never train a better model
    recipe = parse_recipe(two_tasks, "test")
    note = "step 0, the model before training, is kept: no evaluation had a better mood"
    for resume in (False, True):  # a finished run is summed up once more
        said = told_by(lambda display, resume=resume: train_recipe(recipe, tmp_path / "run", resume, display))
        assert (note in said) == told


def test_a_kept_encoder_of_step_0_is_told_of(tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "texts.txt").write_text("".join(f"a good film on {n} days\n" for n in range(30)), encoding="utf-8")
    tree = {
        "data": str(tmp_path),
        "encoder": {"name": str(tiny_encoder)},
        "corpora": {"texts": {"files": "texts.txt"}},
        "held_out": {"share": 0.3},
        "optimizer": {"learning_rate": 5.0, "warmup": 0, "max_gradient_norm": None},
        "training": {"epochs": 1, "precision": "fp32"},
    }
    for keep, told in (("best", True), ("last", False)):
        tree["training"] |= {"keep": keep}  # type: ignore[operator]
        recipe = parse_pretraining_recipe(tree, "test")
        said = told_by(
            lambda display, recipe=recipe, keep=keep: pretrain_recipe(recipe, tmp_path / keep, False, display)
        )
        assert ("the encoder that is kept is the one it began with (step 0)" in said) == told
