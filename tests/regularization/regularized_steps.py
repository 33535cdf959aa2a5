"""Steps of the two small tasks with regularization, and their gradients by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from minbert.display.progress import Display
from minbert.multitask.regularization import Passes, Regularization
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import make_learner, prepare
from minbert.training.learner import Learner

SMOOTH = {"name": "linear", "dropout": 0.0, "features": ["u", "v", "u*v"]}
"""No |u-v|: for two equal texts its slope is the sign of a rounding error."""

FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "single": ("mood", {}),
    "bi": ("close", {}),
    "cross": ("close", {"pair": "cross"}),
    "joint": ("close", {"pair": "joint"}),
    "cosine": ("close", {"head": "cosine"}),
    "classes": ("close", {"head": "scale_softmax", "loss": "soft_cross_entropy"}),
    "mlp": ("close", {"head": "mlp", "pooling": "pooler"}),
    "cls": ("mood", {"head": "depth", "pooling": "cls"}),
}
"""A task and its settings: each way that texts and outputs can have."""


def still(two_tasks: dict[str, Any]) -> dict[str, Any]:
    """Turn dropout off, so that gradients can be computed twice."""
    two_tasks["encoder"] |= {"hidden_dropout": 0.0, "attention_dropout": 0.0}
    for task in two_tasks["tasks"].values():
        task["head"] = SMOOTH
    return two_tasks


def learner_for(two_tasks: dict[str, Any], quiet: Display, **training: Any) -> Learner:
    """Return the learner of a recipe, in training mode."""
    recipe = parse_recipe(two_tasks | {"training": two_tasks["training"] | training}, "test")
    learner = make_learner(recipe, prepare(recipe, quiet), quiet)
    learner.model.train()
    return learner


def only(two_tasks: dict[str, Any], name: str, **settings: Any) -> dict[str, Any]:
    """Return the recipe of one of the two tasks, changed by ``settings``."""
    return two_tasks | {"tasks": {name: two_tasks["tasks"][name] | settings}}


def passes_of(learner: Learner, task: str, rows: int = 6, start: int = 0) -> Passes:
    """Return the first pass of a few rows of a task."""
    sequences = learner.train[task].sequences
    batch = sequences.pack(sequences.of(np.arange(start, start + rows)))
    return Passes(learner.model, task, batch, learner.precision)


def taken(learner: Learner) -> dict[str, Tensor]:
    """Return the gradients that are there, by name, and clear them."""
    named = {name: p.grad.clone() for name, p in learner.model.named_parameters() if p.grad is not None}
    learner.model.zero_grad(set_to_none=True)
    return named


def assert_close(left: dict[str, Tensor], right: dict[str, Tensor], share: float = 1e-5) -> None:
    """Check that two sets of gradients are equal, but for ``share`` of the largest number of all."""
    assert left.keys() == right.keys()
    largest = max(float(tensor.abs().max()) for tensor in right.values())
    for name, tensor in right.items():
        torch.testing.assert_close(left[name], tensor, atol=share * largest, rtol=0, msg=lambda m, n=name: f"{n}: {m}")


def same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the noise of a token follow from the token, not from its place in a batch."""

    def noise(passes: Passes, standard_deviation: float) -> Tensor:
        width = passes._model.encoder.config.hidden_size
        angles = (
            passes._batch.token_ids[:, None] * 12.9898 + passes._batch.positions[:, None] * 4.1 + torch.arange(width)
        )
        return (angles * 78.233).sin().float() * standard_deviation

    monkeypatch.setattr(Passes, "noise", noise)


def regularization(**settings: Any) -> Regularization:
    """Return the regularization that settings name."""
    return Regularization.model_validate(settings)
