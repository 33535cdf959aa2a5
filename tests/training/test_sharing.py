"""Adapters and the shared layer in training: whose gradient moves what, what stays, what a run leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from minbert.display.progress import Display
from minbert.encoder.sources import load_encoder
from minbert.errors import UserError
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import make_learner, prepare
from minbert.running.run import train_recipe
from minbert.training.checkpoint_folder import newest_checkpoint
from minbert.training.combining import StepCombination
from minbert.training.loop import TrainingLoop
from minbert.training.reduction import Reduction

LORA = {"adapters": {"name": "lora", "dropout": 0.1}}
OWN_LORA = {"adapters": {"name": "lora", "per_task": True}}
OWN_LORA_AND_ENCODER = {"adapters": {"name": "lora", "per_task": True, "train_encoder": True}}
PALS = {"adapters": {"name": "pals", "size": 12}}
BILSTM = {"shared_layer": "bilstm"}
BOTH = {"adapters": {"name": "pals", "train_encoder": False}, "shared_layer": "bilstm"}
KINDS = {
    "lora": LORA,
    "own lora": OWN_LORA,
    "own lora and encoder": OWN_LORA_AND_ENCODER,
    "pals": PALS,
    "bilstm": BILSTM,
    "both": BOTH,
}
STILL = {"hidden_dropout": 0.0, "attention_dropout": 0.0}
Flat = dict[str, torch.Tensor]


def still(two_tasks: dict[str, Any], kind: str, **changes: Any) -> dict[str, Any]:
    """Return the recipe with one kind of sharing, and no dropout, so that gradients can be computed twice."""
    encoder = two_tasks["encoder"] | STILL | KINDS[kind]
    if "adapters" in encoder and encoder["adapters"].get("name") == "lora":
        encoder["adapters"] = encoder["adapters"] | {"dropout": 0.0}
    for task in two_tasks["tasks"].values():
        task["head"] = {"name": "linear", "dropout": 0.0, "features": ["u", "v", "u*v"]}
    return two_tasks | {"encoder": encoder} | changes


def gradients_of(recipe: dict[str, Any], quiet: Display) -> tuple[Flat, list[Flat], StepCombination]:
    """Return the combined gradient of a first step, each task's own, and the combination."""
    parsed = parse_recipe(recipe, "test")
    prepared = prepare(parsed, quiet)
    with torch.no_grad():  # fresh adapters change nothing, so much of their gradient would be zero
        for parameter in prepared.model.fresh_modules().parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    learner = make_learner(parsed, prepared, quiet)
    _, step = next(parsed.schedule.method.steps(prepared.course.sizes, 1, 0))

    def take() -> Flat:
        named = {n: p.grad.clone() for n, p in prepared.model.named_parameters() if p.grad is not None}
        prepared.model.zero_grad(set_to_none=True)
        return named

    own = []
    for task, rows in step.items():
        learner.accumulate({task: rows}, {task: 1.0})
        own.append(take())
    combination = StepCombination(parsed.combination, learner, parsed.seed, Reduction())
    combination.accumulate(step, 0)
    return take(), own, combination


def private(name: str) -> bool:
    return name.startswith(("heads.", "adapters."))


@pytest.mark.parametrize("kind", KINDS)
def test_sum_equals_the_tasks_own_gradients_added(two_tasks: dict[str, Any], quiet: Display, kind: str) -> None:
    combined, own, _ = gradients_of(still(two_tasks, kind, training={"tokens_per_microbatch": 25}), quiet)
    assert set(combined) == set(own[0]) | set(own[1])
    for name, gradient in combined.items():
        flats = [flat[name] for flat in own if name in flat]
        assert len(flats) == 1 or not private(name)
        torch.testing.assert_close(gradient, sum(flats), atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("kind", ["own lora and encoder", "lora", "pals", "bilstm", "both"])
def test_surgery_works_on_what_is_shared_and_leaves_what_is_private(
    two_tasks: dict[str, Any], quiet: Display, kind: str
) -> None:
    combined, own, _ = gradients_of(still(two_tasks, kind, combination="pcgrad"), quiet)
    names = sorted(name for name in set(own[0]) | set(own[1]) if not private(name))
    assert any(name.startswith(("encoder.", "shared_")) for name in names)
    a, b = (torch.cat([(g[n] if n in g else 0 * combined[n]).flatten().double() for n in names]) for g in own)
    wanted = a + b
    if a @ b < 0:
        wanted = (a - (a @ b) / (b @ b) * b) + (b - (a @ b) / (a @ a) * a)
    got = torch.cat([combined[name].flatten().double() for name in names])
    torch.testing.assert_close(got, wanted, atol=1e-5 * float(wanted.abs().max()), rtol=1e-4)
    for flat in own:
        for name, gradient in flat.items():
            if private(name):
                torch.testing.assert_close(combined[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


@pytest.mark.parametrize(
    ("kind", "norm_layer"),
    [
        ("lora", "shared_adapter.layers.1."),
        ("own lora and encoder", "encoder.layers.1."),
        ("pals", "encoder.layers.1."),
        ("bilstm", "shared_layer."),
        ("both", "shared_layer."),
    ],
)
def test_gradnorm_compares_norms_at_the_last_layer_that_tasks_share(
    two_tasks: dict[str, Any], quiet: Display, kind: str, norm_layer: str
) -> None:
    """And weighs what is private as it weighs the task's loss."""
    combination = {"name": "gradnorm", "layer": "last"}
    combined, own, built = gradients_of(still(two_tasks, kind, combination=combination), quiet)
    model = built.learner.model
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    assert built.norm_places
    names = [name_of[id(built.shared[place])] for place in built.norm_places]
    assert all(name.startswith(norm_layer) for name in names)
    built.combiner.weights = lambda: torch.tensor([0.5, 3.0], dtype=torch.float64)  # type: ignore[attr-defined]
    parsed = parse_recipe(still(two_tasks, kind), "test")
    _, step = next(parsed.schedule.method.steps(prepare(parsed, quiet).course.sizes, 1, 0))
    built.accumulate(step, 1)
    for weight, flat in zip((0.5, 3.0), own, strict=True):
        for name, gradient in flat.items():
            if private(name):
                got = model.get_parameter(name).grad
                torch.testing.assert_close(got, weight * gradient, atol=1e-5, rtol=1e-4, msg=name)
    assert combined


@pytest.mark.parametrize("kind", ["own lora", "both"])
def test_a_weigher_weighs_all_parameters_alike(two_tasks: dict[str, Any], quiet: Display, kind: str) -> None:
    combined, own, _ = gradients_of(still(two_tasks, kind, combination="uncertainty"), quiet)
    assert set(combined) == set(own[0]) | set(own[1])
    assert all(bool(gradient.isfinite().all()) for gradient in combined.values())
    for name, gradient in combined.items():  # its first weights are 1
        torch.testing.assert_close(gradient, sum(flat[name] for flat in own if name in flat), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("combination", ["gradnorm", "pcgrad"])
def test_surgery_is_refused_where_nothing_is_shared(
    two_tasks: dict[str, Any], quiet: Display, combination: str
) -> None:
    with pytest.raises(UserError, match="they share none"):
        gradients_of(still(two_tasks, "own lora", combination=combination), quiet)


def test_gradnorm_at_a_layer_that_nothing_trains_is_refused(two_tasks: dict[str, Any], quiet: Display) -> None:
    recipe = still(two_tasks, "lora", combination={"name": "gradnorm", "layer": "pooler"})
    with pytest.raises(UserError, match="no weight of layer 'pooler' is trained"):
        gradients_of(recipe, quiet)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_leaves_what_it_trained_and_nothing_else_moved(
    two_tasks: dict[str, Any], tiny_encoder: Path, tmp_path: Path, quiet: Display, kind: str
) -> None:
    out = tmp_path / "run"
    two_tasks["training"] = {"epochs": 1, "head_start": "random", "precision": "fp32"}
    recipe = parse_recipe(two_tasks | {"encoder": two_tasks["encoder"] | KINDS[kind]}, "test")
    metrics = train_recipe(recipe, out, False, quiet).metrics

    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    best = next(line for line in history if line["step"] == metrics["best_step"])
    for task, scores in best["dev"].items():  # of the files, which may hold merged weights
        assert metrics["dev"][task] == pytest.approx(scores, abs=1e-4), task
    model = MultitaskModel.from_pretrained(out)
    assert bool(len(model.adapters)) == (kind not in ("lora", "bilstm"))

    last = load_file(newest_checkpoint(out))
    trained = {name.removeprefix("model."): tensor for name, tensor in last.items() if name.startswith("model.")}
    ups = [tensor for name, tensor in trained.items() if name.endswith((".b", "up.weight"))]
    assert bool(ups) == (kind != "bilstm")
    assert all(float(tensor.abs().max()) > 0 for tensor in ups)
    encoder = load_encoder(str(tiny_encoder)).state_dict()
    still_there = [torch.equal(trained[f"encoder.{name}"], tensor) for name, tensor in encoder.items()]
    frozen = kind in ("lora", "own lora", "both")
    assert all(still_there) == frozen
    sizes = {name: tensor.numel() for name, tensor in trained.items()}
    beside = sum(size for name, size in sizes.items() if not name.startswith("encoder."))
    assert metrics["trained_parameters"] == (beside if frozen else sum(sizes.values()))


@pytest.mark.parametrize("kind", ["lora", "own lora and encoder", "both"])
def test_a_resumed_run_has_the_same_bits(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_tasks["training"] = {"epochs": 1, "head_start": "random", "evaluate_every": 2, "precision": "fp32"}
    for task in two_tasks["tasks"].values():
        task["rows"] = 16  # four steps
    two_tasks["optimizer"] |= {"ema_decay": 0.5, "head_learning_rate": 1e-2}
    encoder = two_tasks["encoder"] | KINDS[kind]
    recipe = parse_recipe(two_tasks | {"encoder": encoder, "combination": "pcgrad"}, "test")
    train_recipe(recipe, tmp_path / "whole", False, quiet)

    class KilledError(Exception):
        pass

    save = TrainingLoop._checkpoint

    def save_and_die(loop: TrainingLoop) -> None:
        save(loop)
        if loop.state.step == 2:
            raise KilledError

    monkeypatch.setattr(TrainingLoop, "_checkpoint", save_and_die)
    with pytest.raises(KilledError):
        train_recipe(recipe, tmp_path / "cut", False, quiet)
    monkeypatch.undo()
    train_recipe(recipe, tmp_path / "cut", True, quiet)
    left, right = (load_file(newest_checkpoint(tmp_path / folder)) for folder in ("whole", "cut"))
    assert left.keys() == right.keys()
    assert all(torch.equal(tensor, right[name]) for name, tensor in left.items())
    models = [tmp_path / folder / "model.safetensors" for folder in ("whole", "cut")]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_what_is_fresh_has_the_heads_learning_rate(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    two_tasks["optimizer"] = {"learning_rate": 1e-5, "head_learning_rate": 1e-2, "layer_decay": 0.5}
    two_tasks["encoder"] |= {"adapters": {"name": "lora", "train_encoder": True}, "shared_layer": "bilstm"}
    recipe = parse_recipe(two_tasks, "test")
    prepared = prepare(recipe, quiet)
    loop = TrainingLoop(
        make_learner(recipe, prepared, quiet),
        prepared.dev,
        prepared.course,
        tmp_path,
        quiet,
    )
    rates = {id(p): group["base_learning_rate"] for group in loop.optimizer.param_groups for p in group["params"]}
    for name, parameter in loop.model.named_parameters():
        assert rates[id(parameter)] <= 1e-5 if name.startswith("encoder.") else rates[id(parameter)] == 1e-2, name


@pytest.mark.parametrize(("key", "kind"), [("adapters", "lora"), ("adapters", "pals"), ("shared_layer", "bilstm")])
def test_a_frozen_run_refuses_what_would_change_its_vectors(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, key: str, kind: str
) -> None:
    two_tasks["encoder"][key] = kind
    two_tasks["training"]["encoder"] = "frozen"
    with pytest.raises(UserError, match=rf"encoder\.{key}: '{kind}' does not go with training\.encoder=frozen"):
        train_recipe(parse_recipe(two_tasks, "test"), tmp_path / "run", False, quiet)
    assert not (tmp_path / "run").exists()


def test_a_task_that_a_step_leaves_out_keeps_its_adapter(two_tasks: dict[str, Any], quiet: Display) -> None:
    """None, not zeros: weight decay and momentum must not move what the step has nothing to say about."""
    recipe = parse_recipe(two_tasks | {"encoder": two_tasks["encoder"] | OWN_LORA}, "test")
    prepared = prepare(recipe, quiet)
    make_learner(recipe, prepared, quiet).accumulate({"mood": np.arange(4)}, {"mood": 1.0})
    assert all(parameter.grad is None for parameter in prepared.model.private_parameters("close"))
    assert any(parameter.grad is not None for parameter in prepared.model.private_parameters("mood"))
