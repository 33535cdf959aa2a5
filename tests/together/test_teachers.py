"""Learning from teachers: the annealed loss, who may teach, and runs that are cut short."""

from __future__ import annotations

import copy
import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor

from command_line import press_ctrl_c
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import load_recipe, parse_recipe
from minbert.running.prepare import prepare
from minbert.running.run import train_recipe
from minbert.tasks.heads import HeadOutput
from minbert.together import teachers
from minbert.together.ensemble import make_ensemble
from minbert.together.teachers import TARGETS
from minbert.training.checkpoint_folder import newest_checkpoint
from minbert.training.distillation import DistillationSettings
from minbert.training.interrupt import Interrupted
from minbert.training.loop import TrainingLoop
from minbert.training.objective import Objective
from short_runs import trained

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")


def weights_of(folder: Path) -> dict[str, Tensor]:
    """Return the weights after the last step, whichever were kept."""
    newest = newest_checkpoint(folder)
    assert newest is not None
    tensors = load_file(newest)
    return {name: tensors[name] for name in tensors if name.startswith("model.")}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def teacher(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> Path:
    return trained(two_tasks, tmp_path / "teacher", quiet, seed=7)


def student(tree: dict[str, Any], out: Path, display: Display, **distillation: Any) -> Path:
    return trained(tree, out, display, distillation=distillation)


@pytest.mark.parametrize(
    ("settings", "shares"),
    [({}, (0.0, 0.5, 1.0)), ({"annealing": False, "gold_share": 0.3}, (0.3, 0.3, 0.3))],
)
def test_the_loss_goes_from_the_teacher_to_the_labels(
    two_tasks: dict[str, Any], quiet: Display, settings: dict[str, Any], shares: tuple[float, ...]
) -> None:
    """BAM: lambda gold + (1 - lambda) teacher, lambda rising linearly from 0 to 1."""
    prepared = prepare(parse_recipe(two_tasks, "test"), quiet)
    task, rows = prepared.model.tasks["mood"], prepared.train["mood"]
    objective = Objective(task, rows, torch.device("cpu"))
    random = torch.Generator().manual_seed(1)
    targets = torch.rand(len(rows), 3, generator=random).softmax(-1)
    chosen = np.array([5, 0, 17])
    output = HeadOutput(torch.randn(3, 3, generator=random), None)
    gold = objective.loss(output, chosen, 0.5).item()
    labels = torch.from_numpy(rows.known_labels[chosen])
    assert gold == pytest.approx(torch.nn.functional.cross_entropy(output.logits, labels.long()).item())
    distillation = DistillationSettings.model_validate({"teachers": "x", "temperature": 2.0, **settings})
    objective.learn_from(targets, distillation)
    taught = -4 * (targets[chosen] * (output.logits / 2).log_softmax(-1)).sum(-1).mean().item()
    for progress, share in zip((0.0, 0.5, 1.0), shares, strict=True):
        assert objective.loss(output, chosen, progress).item() == pytest.approx(share * gold + (1 - share) * taught)


def test_teachers_answers_are_those_of_their_models(
    two_tasks: dict[str, Any], teacher: Path, tmp_path: Path, quiet: Display
) -> None:
    """A run and an ensemble teach together: half each, the ensemble's members sharing its half."""
    second = trained(two_tasks, tmp_path / "second", quiet, seed=8)
    make_ensemble([teacher, second], tmp_path / "both", "uniform", None, quiet)
    asked = {"mood": [str(teacher), str(tmp_path / "both")], "close": [str(second)]}
    out = student(two_tasks, tmp_path / "student", quiet, teachers=asked, temperature=2.0)
    targets = load_file(out / TARGETS)
    lines = (Path(two_tasks["data"]) / "mood-train.tsv").read_text().splitlines()[1:]
    texts = [line.split("\t")[1] for line in lines]
    softened = []
    for run in (teacher, second):
        probabilities = MultitaskModel.from_pretrained(run).predict("mood", texts).probabilities
        assert probabilities is not None
        roots = probabilities**0.5
        softened.append(roots / roots.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(targets["mood"], 0.75 * softened[0] + 0.25 * softened[1], rtol=1e-4)
    assert targets["close"].shape == (24,)
    assert ((targets["close"] >= 0) & (targets["close"] <= 5)).all()
    assert not same(weights_of(out), weights_of(trained(two_tasks, tmp_path / "gold", quiet)))


def test_only_tasks_with_teachers_are_taught_and_a_share_of_one_is_gold_training(
    two_tasks: dict[str, Any], teacher: Path, tmp_path: Path, quiet: Display
) -> None:
    settings = {"teachers": {"mood": str(teacher)}, "annealing": False, "gold_share": 1.0}
    out = student(two_tasks, tmp_path / "student", quiet, **settings)
    assert set(load_file(out / TARGETS)) == {"mood"}
    gold, taught = map(weights_of, (trained(two_tasks, tmp_path / "gold", quiet), out))
    for name in gold:
        torch.testing.assert_close(taught[name], gold[name], rtol=1e-5, atol=1e-6)


def test_teachers_that_know_the_labels_teach_what_the_labels_teach(
    two_tasks: dict[str, Any], teacher: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(parse_recipe(two_tasks, "test"), quiet)
    mood, close = (torch.from_numpy(prepared.train[name].known_labels) for name in ("mood", "close"))
    known: dict[str, Tensor] = {"mood": torch.nn.functional.one_hot(mood.long(), 3).float(), "close": close.float()}
    monkeypatch.setattr(teachers, "_ask", lambda *arguments: known)  # noqa: ARG005
    out = student(two_tasks, tmp_path / "student", quiet, teachers=[str(teacher)])
    gold, taught = map(weights_of, (trained(two_tasks, tmp_path / "gold", quiet), out))
    for name in gold:
        torch.testing.assert_close(taught[name], gold[name], rtol=1e-4, atol=1e-5)


def test_a_student_cut_short_resumes_to_the_same_bits(
    two_tasks: dict[str, Any], teacher: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = copy.deepcopy(two_tasks) | {"distillation": {"teachers": [str(teacher)]}}
    tree["training"] = {"epochs": 1, "head_start": "random", "precision": "fp32"}
    recipe = parse_recipe(tree, "test")
    told = io.StringIO()
    train_recipe(recipe, tmp_path / "whole", False, Display(Console(file=told, width=200)))
    assert "asking 1 teacher about the training rows, once" in told.getvalue()

    cut = tmp_path / "cut"
    take = TrainingLoop._step

    def step_and_signal(loop: TrainingLoop, step: Any) -> None:
        take(loop, step)
        if loop.state.step == 2:
            press_ctrl_c()

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_step", step_and_signal)
        with pytest.raises(Interrupted):
            train_recipe(recipe, cut, False, quiet)
    shutil.copytree(cut, tmp_path / "forgot")
    (tmp_path / "forgot" / TARGETS).write_bytes(b"damaged")
    train_recipe(recipe, tmp_path / "forgot", True, quiet)  # asks the teachers again
    # killed after the teachers were asked, before the first step
    early = tmp_path / "early"
    early.mkdir()
    for name in ("recipe.yaml", TARGETS):
        shutil.copy(cut / name, early / name)
    with monkeypatch.context() as patch:
        patch.setattr(teachers, "_ask", None)  # nobody is asked again
        train_recipe(recipe, cut, True, quiet)
        train_recipe(recipe, early, True, quiet)
    for folder in (cut, early, tmp_path / "forgot"):
        assert same(weights_of(folder), weights_of(tmp_path / "whole")), folder


def test_answers_to_other_rows_are_not_taken_over(
    two_tasks: dict[str, Any], teacher: Path, tmp_path: Path, quiet: Display
) -> None:
    out = student(two_tasks, tmp_path / "student", quiet, teachers=[str(teacher)])
    recipe = parse_recipe(yaml.safe_load((out / "recipe.yaml").read_text()), "test")
    prepared = prepare(recipe, quiet)
    key = teachers._key(recipe, prepared.teachers, prepared.taught)
    assert teachers._kept_targets(out / TARGETS, key) is not None
    rows = prepared.taught["mood"]
    others = {"mood": replace(rows, first=[*rows.first[:3], "another text", *rows.first[4:]])}
    changed = teachers._key(recipe, prepared.teachers, prepared.taught | others)
    assert teachers._kept_targets(out / TARGETS, changed) is None


@pytest.mark.parametrize(
    ("distillation", "message"),
    [
        ({"teachers": {"mod": "TEACHER"}}, "no task 'mod'.*did you mean 'mood'"),
        ({"teachers": []}, "distillation.teachers.*at least 1"),
        ({"teachers": ["NOWHERE"]}, "NOWHERE: is no run folder"),
        ({"teachers": ["TEACHER"], "annealing": False}, "'gold_share' goes with annealing: false"),
        ({"teachers": ["TEACHER"], "gold_share": 0.5}, "'gold_share' goes with annealing: false"),
        ({"teachers": ["TEACHER"], "temperature": 0}, "distillation.temperature"),
        ({"teacher": ["TEACHER"]}, "did you mean 'teachers'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, distillation: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        train_recipe(parse_recipe(two_tasks | {"distillation": distillation}, "test"), tmp_path / "out", False, quiet)
    assert not (tmp_path / "out").exists()


def test_who_cannot_teach_is_refused_before_anything_is_written(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    def refused(message: str, teachers: Any, **changes: Any) -> None:
        tree = two_tasks | {"distillation": {"teachers": teachers}} | changes
        with pytest.raises(UserError, match=message):
            train_recipe(parse_recipe(tree, "test"), tmp_path / "out", False, quiet)
        assert not (tmp_path / "out").exists()

    tasks = two_tasks["tasks"]
    only = trained(two_tasks, tmp_path / "only", quiet, tasks={"mood": tasks["mood"]})
    refused("only was not trained on task 'close'; it was on: mood", {"close": str(only)})
    single = tmp_path / "single"  # has a head for both tasks, and trained one of them
    schedule = {"method": {"name": "single", "task": "mood"}, "batch_size": 4}
    training = {"epochs": 1, "precision": "fp32", "select": "mood"}
    train_recipe(parse_recipe(two_tasks | {"schedule": schedule, "training": training}, "test"), single, False, quiet)
    refused("single was not trained on task 'close'; it was on: mood", {"close": str(single)})
    refused("none of them has a task of this recipe: close", [str(only)], tasks={"close": tasks["close"]})
    refused("task 'mood' has other labels", [str(only)], tasks={"mood": tasks["mood"] | {"classes": 4}})
    paired = {"mood": tasks["mood"] | {"text": ["id", "text"], "id": None, "pair": "cross"}}
    refused("on pairs in only one", [str(only)], tasks=paired)
    (only / "metrics.json").unlink()
    refused("not finished", [str(only)])


def test_teachers_are_found_from_the_recipes_folder(
    two_tasks_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    child = tmp_path / "sub" / "child.yaml"
    child.write_text("extends: ../two.yaml\ndistillation: {teachers: {mood: runs/a, close: [../b, /c]}}\n")
    recipe = load_recipe(str(child))
    assert recipe.distillation is not None
    assert recipe.distillation.teachers == {
        "mood": [str(tmp_path / "sub/runs/a")],
        "close": [str(tmp_path / "b"), "/c"],
    }
    monkeypatch.chdir(tmp_path / "sub")
    given = load_recipe(str(two_tasks_file), {}, ["distillation.teachers=[runs/a, /c]"]).distillation
    assert given is not None
    assert given.teachers == [str(tmp_path / "sub/runs/a"), "/c"]
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), "again") == recipe
