"""Regularization in steps and runs: what is differentiated, what is told, what a checkpoint holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from regularized_steps import FORMS, assert_close, learner_for, only, passes_of, same_noise, still, taken

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.multitask.regularization import Regularization
from minbert.recipe.recipe import parse_recipe
from minbert.running.run import train_recipe
from minbert.training.combining import StepCombination
from minbert.training.loop import TrainingLoop
from minbert.training.reduction import Reduction
from minbert.training.shards import Shards

WIDE = {"name": "smart", "epsilon": 0.05, "sigma": 0.01, "step_size": 1.0}
"""A ball so large that R_s counts beside the loss."""
STEP = {"mood": np.arange(6), "close": np.arange(4)}


def test_the_penalty_is_weighted_and_added_to_the_loss(two_tasks: dict[str, Any], quiet: Display) -> None:
    two_tasks["tasks"]["mood"] |= {"regularization": WIDE | {"weight": 3}, "weight": 0.5}
    learner = learner_for(two_tasks, quiet)
    rows = {"mood": STEP["mood"]}
    losses = learner.accumulate(rows, {"mood": 0.25})
    found = taken(learner)

    Shards().draw("mood", 0)
    first = passes_of(learner, "mood")
    loss = torch.nn.functional.cross_entropy(
        first.clean.logits, torch.tensor(learner.train["mood"].known_labels[:6], dtype=torch.long)
    )
    [(_, regularizer)] = learner.regularizing._of_task["mood"]
    penalty = regularizer.penalty(first).value
    assert float(penalty.detach()) > 0.01
    (0.125 * (loss + 3 * penalty)).backward()
    assert_close(found, taken(learner), 1e-6)
    torch.testing.assert_close(losses, loss.detach().unsqueeze(0))  # told without the penalty
    assert learner.regularizing.report()["mood"]["smart"]["divergence"] == pytest.approx(float(penalty.detach()))


def test_a_task_without_regularization_is_as_before(two_tasks: dict[str, Any], quiet: Display) -> None:
    plain = learner_for(still(two_tasks), quiet)
    plain.accumulate(STEP, dict.fromkeys(STEP, 1.0))
    wanted = taken(plain)
    two_tasks["tasks"]["mood"]["regularization"] = WIDE | {"weight": 0}
    beside = learner_for(two_tasks, quiet)
    beside.accumulate(STEP, dict.fromkeys(STEP, 1.0))
    assert_close(taken(beside), wanted)
    assert set(beside.regularizing.report()) == {"mood"}


@pytest.mark.parametrize("form", ["single", "bi", "cross", "joint"])
def test_micro_batches_change_memory_not_gradients(
    two_tasks: dict[str, Any], quiet: Display, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    same_noise(monkeypatch)
    task, settings = FORMS[form]
    recipe = only(still(two_tasks), task, regularization=[WIDE, "mbpp"], **settings)
    found = []
    for budget in (10_000, 60):
        learner = learner_for(recipe, quiet, tokens_per_microbatch=budget)
        calls: list[int] = []
        learner.model.encoder.register_forward_hook(lambda _m, a, _o, c=calls: c.append(len(a[0].token_ids)))
        learner.finish_step()
        with torch.no_grad():
            for parameter in learner.model.heads.parameters():
                parameter *= 1.5  # away from the teacher
        losses = learner.accumulate({task: np.arange(9)}, {task: 1.0})
        found.append((losses, taken(learner), learner.regularizing.report()[task], calls))
    (whole_losses, whole, whole_report, whole_calls), (losses, parts, report, calls) = found
    assert len(whole_calls) == 4  # clean, search, perturbed, teacher
    assert len(calls) > 8
    assert max(calls) <= 30  # clean and perturbed pass are in memory at a time: half the budget each
    torch.testing.assert_close(losses, whole_losses)
    assert_close(parts, whole)
    for method, values in whole_report.items():
        assert min(values.values()) > 1e-4
        assert report[method] == pytest.approx(values, rel=1e-3)


def test_repeated_rows_have_the_same_mean(
    two_tasks: dict[str, Any], quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sum over rows would make the weight depend on the batch size."""
    same_noise(monkeypatch)
    learner = learner_for(only(still(two_tasks), "mood", regularization=WIDE), quiet)
    reports = []
    for rows in (np.arange(4), np.tile(np.arange(4), 3)):
        learner.accumulate({"mood": rows}, {"mood": 1.0})
        reports.append((taken(learner), learner.regularizing.report()["mood"]["smart"]["divergence"]))
        learner.regularizing.clear()
    assert reports[1][1] == pytest.approx(reports[0][1], rel=1e-4)
    assert_close(reports[1][0], reports[0][0])


@pytest.mark.parametrize("name", ["sum", "pcgrad", "gradnorm"])
def test_combinations_see_the_regularized_gradients(
    two_tasks: dict[str, Any], quiet: Display, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    same_noise(monkeypatch)
    still(two_tasks)
    for task in two_tasks["tasks"].values():
        task["regularization"] = WIDE
    recipe = parse_recipe(two_tasks | {"combination": name}, "test")
    learner = learner_for(two_tasks, quiet)
    own = []
    for task, rows in STEP.items():
        learner.accumulate({task: rows}, {task: 1.0})
        own.append(taken(learner))
    combination = StepCombination(recipe.combination, learner, 0, Reduction())
    combination.accumulate(STEP, 0)
    combined = taken(learner)
    if name == "sum":
        names = combined.keys()
        assert_close(combined, {n: torch.stack([g[n] for g in own if n in g]).sum(0) for n in names})
    else:
        norms = combination.weather.report()["norms"]
        for task, gradient in zip(STEP, own, strict=True):
            squares = [g.double().pow(2).sum() for n, g in gradient.items() if n.startswith("encoder.")]
            assert norms[task] == pytest.approx(float(torch.stack(squares).sum().sqrt()), rel=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_every_regularization_trains_every_form_of_task(two_tasks: dict[str, Any], quiet: Display, form: str) -> None:
    task, settings = FORMS[form]
    names = sorted(Regularization.members)
    learner = learner_for(only(two_tasks, task, regularization=names, **settings), quiet, precision="bf16")
    for _ in range(2):
        learner.begin_step(0.0)
        losses = learner.accumulate({task: np.arange(5)}, {task: 1.0})
        found = taken(learner)
        assert bool(losses.isfinite().all())
        assert all(bool(gradient.isfinite().all()) for gradient in found.values())
        assert "encoder.embeddings.word.weight" in found
        learner.finish_step()
    report = learner.regularizing.report()[task]
    assert set(report) == set(names)
    assert report["r_drop"]["divergence"] > report["smart"]["divergence"] > 0
    learner.regularizing.clear()
    assert learner.regularizing.report() == {}


def test_one_teacher_serves_all_tasks_with_its_settings(two_tasks: dict[str, Any], quiet: Display) -> None:
    two_tasks["tasks"]["mood"]["regularization"] = ["smart", {"name": "mbpp", "weight": 2}]
    two_tasks["tasks"]["close"]["regularization"] = "mbpp"

    def teachers() -> int:
        state = learner_for(two_tasks, quiet).regularizing.state()
        return sum(key.endswith("updates") for key in state)

    assert teachers() == 1
    two_tasks["tasks"]["close"]["regularization"] = {"name": "mbpp", "beta": 0.9}
    assert teachers() == 2


def test_a_run_resumes_to_the_same_bits_and_the_same_record(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_tasks["training"] = {
        "epochs": 1,
        "head_start": "random",
        "evaluate_every": 3,
        "precision": "fp32",
        "checkpoint_minutes": 1e-9,
    }
    two_tasks["tasks"]["mood"]["regularization"] = ["smart", "mbpp", "r_drop"]
    two_tasks["tasks"]["close"]["regularization"] = "mbpp"
    recipe = parse_recipe(two_tasks, "test")
    train_recipe(recipe, tmp_path / "whole", False, quiet)

    class KilledError(Exception):
        pass

    save = TrainingLoop._checkpoint

    def save_and_die(loop: TrainingLoop) -> None:
        save(loop)
        if loop.state.step == 4:  # one step after an evaluation: a record has begun
            raise KilledError

    monkeypatch.setattr(TrainingLoop, "_checkpoint", save_and_die)
    with pytest.raises(KilledError):
        train_recipe(recipe, tmp_path / "cut", False, quiet)
    monkeypatch.undo()
    torch.manual_seed(77)
    train_recipe(recipe, tmp_path / "cut", True, quiet)
    left, right = (tmp_path / folder for folder in ("whole", "cut"))
    assert (left / "model.safetensors").read_bytes() == (right / "model.safetensors").read_bytes()
    lines = [
        [json.loads(line)["regularization"] for line in (folder / "history.jsonl").read_text().splitlines()]
        for folder in (left, right)
    ]
    assert lines[0] == lines[1]
    assert lines[0][0] == {}
    assert set(lines[0][-1]["mood"]) == {"smart", "mbpp", "r_drop"}
    assert lines[0][-1]["mood"]["smart"]["perturbation"] == pytest.approx(1e-5, rel=1e-5)
    assert "regularization" not in (left / "config.json").read_text()  # training only


def test_what_makes_no_sense_is_refused(two_tasks: dict[str, Any], quiet: Display) -> None:
    with pytest.raises(UserError, match=r"tasks\.mood.regularization: .* frozen"):
        learner_for(only(two_tasks, "mood", regularization="smart"), quiet, encoder="frozen")
    with pytest.raises(UserError, match=r"tasks\.close\.loss: no loss trains the head 'cosine_linear' \(cosent\)"):
        learner_for(only(two_tasks, "close", regularization="smart", loss="cosent"), quiet)
    learner_for(only(two_tasks, "close", regularization="smart", loss="cosent", head="cosine"), quiet)
    for wrong, message in {
        "smrt": "did you mean 'smart'",
        ("smart", "smart"): "each regularization once",
        7: "name of a regularization",
    }.items():
        chosen = list(wrong) if isinstance(wrong, tuple) else wrong
        with pytest.raises(UserError, match=message):
            parse_recipe(only(two_tasks, "mood", regularization=chosen), "test")
    with pytest.raises(UserError, match="epsilon"):
        parse_recipe(only(two_tasks, "mood", regularization={"name": "smart", "epsilon": 0}), "test")


@pytest.mark.parametrize("written", [None, [], "smart", {"name": "smart", "weight": 0.5}, ["smart", "mbpp"]])
def test_a_recipe_reads_back_what_it_writes(two_tasks: dict[str, Any], written: Any) -> None:
    import yaml

    recipe = parse_recipe(only(two_tasks, "mood", regularization=written), "test")
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), "again") == recipe
    assert isinstance(recipe.tasks["mood"].regularization, list)
