"""Combinations at work in the loop: gradients by hand, heads left alone, a resumed run, every method once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.multitask.combination import Combination
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import make_learner, prepare
from minbert.running.run import train_recipe
from minbert.training.combining import StepCombination
from minbert.training.reduction import Reduction

Flat = dict[str, torch.Tensor]

SMOOTH = {"name": "linear", "dropout": 0.0, "features": ["u", "v", "u*v"]}
"""No |u-v|: for two equal texts its slope is the sign of a rounding error."""


def still(two_tasks: dict[str, Any]) -> dict[str, Any]:
    """Turn dropout off, so that gradients can be computed twice."""
    two_tasks["encoder"] |= {"hidden_dropout": 0.0, "attention_dropout": 0.0}
    for task in two_tasks["tasks"].values():
        task["head"] = SMOOTH
    return two_tasks


def gradients_of(recipe: dict[str, Any], name: Any, quiet: Display) -> tuple[Flat, list[Flat], StepCombination]:
    """Return the combined gradient of a first step, each task's own, and the combination."""
    parsed = parse_recipe(recipe | {"combination": name}, "test")
    prepared = prepare(parsed, quiet)
    learner = make_learner(parsed, prepared, quiet)
    _, step = next(parsed.schedule.method.steps(prepared.course.sizes, 1, 0))

    def take() -> Flat:
        named = {n: p.grad.to_dense().clone() for n, p in prepared.model.named_parameters() if p.grad is not None}
        prepared.model.zero_grad(set_to_none=True)
        return named

    own = []
    for task, rows in step.items():
        learner.accumulate({task: rows}, {task: 1.0})
        own.append(take())
    combination = StepCombination(parsed.combination, learner, parsed.seed, Reduction())
    combination.accumulate(step, 0)
    return take(), own, combination


def shared(flat: Flat) -> dict[str, torch.Tensor]:
    return {name: gradient for name, gradient in flat.items() if name.startswith("encoder.")}


def test_pcgrad_projects_the_encoders_gradients_and_leaves_heads_alone(
    two_tasks: dict[str, Any], quiet: Display
) -> None:
    combined, own, combination = gradients_of(still(two_tasks), "pcgrad", quiet)
    names = sorted(set(shared(own[0])) | set(shared(own[1])))
    a, b = (
        np.concatenate([g[n].double().numpy().ravel() if n in g else np.zeros(combined[n].numel()) for n in names])
        for g in own
    )
    wanted = a + b
    if a @ b < 0:
        wanted = (a - (a @ b) / (b @ b) * b) + (b - (a @ b) / (a @ a) * a)
    got = np.concatenate([combined[name].double().numpy().ravel() for name in names])
    np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())
    for flat in own:
        for name, gradient in flat.items():
            if name.startswith("heads."):
                torch.testing.assert_close(combined[name], gradient)
    cosine = a @ b / math.sqrt((a @ a) * (b @ b))
    assert combination.weather.report()["cosines"]["mood~close"] == pytest.approx(cosine, abs=1e-5)


def test_pcgrad_on_opposed_tasks(two_tasks: dict[str, Any], quiet: Display) -> None:
    """The same task twice with labels turned round: gradients conflict, and surgery has something to do."""
    still(two_tasks)
    mood = two_tasks["tasks"]["mood"]
    two_tasks["tasks"] = {"mood": mood, "doom": mood | {"classes": ["2", "1", "0"], "weight": 0.7}}
    combined, own, combination = gradients_of(two_tasks, "pcgrad", quiet)
    report = combination.weather.report()
    a, b = (torch.cat([g[n].flatten().double() for n in sorted(shared(g))]) for g in own)
    got = torch.cat([combined[n].flatten().double() for n in sorted(shared(combined))])
    if a @ b < 0:
        assert report["conflicts"] == {"mood~doom": 1.0}
        assert report["moved"] > 0
        assert got @ a >= -1e-9 * (got.norm() * a.norm())
        assert got @ b >= -1e-9 * (got.norm() * b.norm())
    else:
        torch.testing.assert_close(got, a + b, atol=1e-6, rtol=1e-4)


def test_sum_equals_the_tasks_own_gradients_added(two_tasks: dict[str, Any], quiet: Display) -> None:
    two_tasks["tasks"]["mood"]["weight"] = 0.25
    combined, own, _ = gradients_of(still(two_tasks), "sum", quiet)
    for name, gradient in combined.items():
        total = sum(flat[name] for flat in own if name in flat)
        torch.testing.assert_close(gradient, total, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("layer", ["last", "all", 0, -1])
def test_gradnorm_reads_norms_at_the_layer_chosen(two_tasks: dict[str, Any], quiet: Display, layer: Any) -> None:
    recipe = parse_recipe(still(two_tasks) | {"combination": {"name": "gradnorm", "layer": layer}}, "test")
    prepared = prepare(recipe, quiet)
    learner = make_learner(recipe, prepared, quiet)
    combination = StepCombination(recipe.combination, learner, 0, Reduction())
    _, step = next(recipe.schedule.method.steps(prepared.course.sizes, 1, 0))
    norms = []
    for task, rows in step.items():
        learner.accumulate({task: rows}, {task: 1.0})
        prefix = {"all": "", 0: "layers.0."}.get(layer, "layers.1.")
        squares = [
            p.grad.to_dense().double().pow(2).sum()
            for name, p in prepared.model.encoder.named_parameters()
            if name.startswith(prefix) and p.grad is not None
        ]
        norms.append(float(torch.stack(squares).sum().sqrt()))
        prepared.model.zero_grad(set_to_none=True)
    seen: list[torch.Tensor] = []
    update = combination.combiner.update  # type: ignore[attr-defined]

    def spy(losses: Any, gradient_norms: Any, random: Any) -> None:
        seen.append(gradient_norms)
        update(losses, gradient_norms, random)

    combination.combiner.update = spy  # type: ignore[attr-defined]
    combination.accumulate(step, 0)
    np.testing.assert_allclose(seen[0].numpy(), norms, rtol=1e-4)


def test_a_layer_the_encoder_does_not_have_is_refused(two_tasks: dict[str, Any], quiet: Display) -> None:
    with pytest.raises(UserError, match="2 layers"):
        gradients_of(two_tasks, {"name": "gradnorm", "layer": 7}, quiet)


@pytest.mark.parametrize("name", ["sum", "random", "famo", "gradnorm", "gradvac", "nash_mtl"])
def test_combinations_that_remember_resume_to_the_same_bits(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minbert.training.loop import TrainingLoop

    two_tasks["training"] = {"epochs": 1, "head_start": "random", "evaluate_every": 2, "precision": "fp32"}
    two_tasks["optimizer"]["ema_decay"] = 0.5
    recipe = parse_recipe(two_tasks | {"combination": name}, "test")
    train_recipe(recipe, tmp_path / "whole", False, quiet)

    class KilledError(Exception):
        pass

    save = TrainingLoop._checkpoint

    def save_and_die(loop: TrainingLoop) -> None:
        save(loop)
        if loop.state.step == 4:
            raise KilledError

    monkeypatch.setattr(TrainingLoop, "_checkpoint", save_and_die)
    with pytest.raises(KilledError):
        train_recipe(recipe, tmp_path / "cut", False, quiet)
    monkeypatch.undo()
    train_recipe(recipe, tmp_path / "cut", True, quiet)
    left, right = (tmp_path / folder for folder in ("whole", "cut"))
    assert (left / "model.safetensors").read_bytes() == (right / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", sorted(Combination.members))
def test_every_combination_leaves_a_finite_gradient_everywhere(
    two_tasks: dict[str, Any], quiet: Display, name: str
) -> None:
    combined, own, combination = gradients_of(two_tasks, name, quiet)
    assert set(combined) == set(own[0]) | set(own[1])
    assert all(bool(gradient.isfinite().all()) for gradient in combined.values())
    assert all(weight >= 0 for weight in combination.weather.report()["weights"].values())


@pytest.mark.parametrize(
    ("schedule", "encoder", "told"),
    [("alternating", "finetuned", "round_robin"), ("round_robin", "frozen", "a frozen encoder has none")],
)
def test_surgery_needs_every_task_in_a_step_and_an_encoder_that_learns(
    two_tasks: dict[str, Any], quiet: Display, schedule: str, encoder: str, told: str
) -> None:
    two_tasks["schedule"]["method"] = schedule
    two_tasks["training"]["encoder"] = encoder
    with pytest.raises(UserError, match=told):
        prepare(parse_recipe(two_tasks | {"combination": "pcgrad"}, "test"), quiet)
