"""Every head and every loss trains: two steps through a small encoder move what they should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from minbert.display.progress import Display
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import Prepared, prepare
from minbert.training.finetuned_learner import FinetunedLearner
from minbert.training.frozen_learner import FrozenLearner

MNRL = {"name": "mnrl", "threshold": 4}


@pytest.fixture(autouse=True)
def _untrained_heads_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients are right beside a head that nothing trains, too; a run would be refused."""
    monkeypatch.setattr("minbert.running.prepare.check_heads_learn", lambda *_: None)


def prepared_with(two_tasks: dict[str, Any], quiet: Display, name: str = "close", **settings: Any) -> Prepared:
    """Prepare one of the two tasks alone, changed by ``settings``; ``kind: binary`` rewrites its labels."""
    task = two_tasks["tasks"][name] | settings
    if settings.get("kind") == "binary":
        del task["range"]
        for path in Path(two_tasks["data"]).glob("close-*.jsonl"):
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            lines = [json.dumps(row | {"score": int(row["score"] > 2)}) + "\n" for row in rows]
            path.write_text("".join(lines), encoding="utf-8")
    return prepare(parse_recipe(two_tasks | {"tasks": {name: task}}, "test"), quiet)


def train_two_steps(prepared: Prepared, precision: Any = "fp32") -> tuple[list[float], set[str]]:
    """Return the losses of two steps, and the names of the weights they moved."""
    [task] = prepared.train
    model = prepared.model.train()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    learner = FinetunedLearner(model, prepared.train, precision, 10_000)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for step in range(2):
        losses.append(learner.accumulate({task: np.arange(12) + 12 * step}, {task: 1.0}).item())
        optimizer.step()
        optimizer.zero_grad()
    return losses, {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}


def matrices(prepared: Prepared, part: str) -> set[str]:
    """Names of a part's matrices: biases may have no effect, as under a correlation."""
    unused = ("encoder.pooler", "encoder.embeddings.segments")
    return {
        name
        for name, parameter in prepared.model.named_parameters()
        if name.startswith(part) and parameter.dim() > 1 and not name.startswith(unused)
    }


def check_moved(prepared: Prepared, *, head: bool, precision: Any = "fp32") -> None:
    losses, moved = train_two_steps(prepared, precision)
    assert np.isfinite(losses).all()
    assert len(set(losses)) == 2
    assert matrices(prepared, "encoder.layers") <= moved
    assert any(name.startswith("encoder.embeddings") for name in moved)
    if head:
        assert matrices(prepared, "heads.")
        assert matrices(prepared, "heads.") <= moved
    else:
        assert not any(name.startswith("heads.") for name in moved)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("mood", {"head": "mlp"}),
        ("mood", {"head": {"name": "depth", "blocks": 4}}),
        ("close", {"head": "mlp"}),
        ("close", {"head": {"name": "mlp", "widths": [8]}, "pair": "cross"}),
        ("close", {"head": "depth"}),
        ("close", {"head": "cosine_linear", "pair": "joint"}),
        ("close", {"head": "scale_softmax", "pair": "both"}),
        ("close", {"head": "cosine_linear", "loss": "pearson"}),
        ("close", {"head": "cosine_linear", "kind": "binary"}),
        ("close", {"head": "scale_softmax", "loss": "soft_cross_entropy"}),
        ("close", {"head": {"name": "scale_softmax", "decode": "argmax"}, "pair": "cross"}),
        ("close", {"head": "scale_softmax", "loss": ["soft_cross_entropy", "pearson", "contrastive_mse"]}),
    ],
)
def test_heads_train(two_tasks: dict[str, Any], quiet: Display, task: str, settings: Any, precision: str) -> None:
    check_moved(prepared_with(two_tasks, quiet, task, **settings), head=True, precision=precision)


@pytest.mark.parametrize("beside", [None, "own"])
@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("binary", "mnrl"),
        ("binary", {"name": "mnrl", "symmetric": True}),
        ("binary", "cosine_embedding"),
        ("binary", "contrastive_mse"),
        ("binary", "cosent"),
        ("regression", MNRL),
        ("regression", "contrastive_mse"),
        ("regression", "cosent"),
    ],
)
def test_losses_over_vectors_train_the_encoder_and_leave_the_head_to_others(
    two_tasks: dict[str, Any], quiet: Display, kind: str, loss: Any, beside: str | None
) -> None:
    own = {"binary": "binary_cross_entropy", "regression": "mse"}[kind]
    prepared = prepared_with(two_tasks, quiet, kind=kind, loss=[loss, own] if beside else loss)
    check_moved(prepared, head=beside is not None)


@pytest.mark.parametrize("head", ["cosine", {"name": "cosine", "lowest_cosine": -1}])
def test_the_cosine_head_trains_the_encoder_through_pearson(
    two_tasks: dict[str, Any], quiet: Display, head: Any
) -> None:
    check_moved(prepared_with(two_tasks, quiet, head=head, loss="pearson"), head=False)


@pytest.mark.parametrize("loss", ["pearson", "cosent", "contrastive_mse", [MNRL, "mse"]])
def test_a_batch_that_must_stay_whole_has_one_gradient_whatever_the_budget(
    two_tasks: dict[str, Any], quiet: Display, loss: Any
) -> None:
    two_tasks["encoder"] |= {"hidden_dropout": 0.0, "attention_dropout": 0.0}
    prepared = prepared_with(two_tasks, quiet, loss=loss, head={"dropout": 0.0})
    found = []
    for budget in (10_000, 16):
        prepared.model.zero_grad(set_to_none=True)
        step = {"close": np.arange(12)}
        value = FinetunedLearner(prepared.model, prepared.train, "fp32", budget).accumulate(step, {"close": 1.0})
        found.append([value, *(p.grad for p in prepared.model.parameters() if p.grad is not None)])
    assert len(found[0]) > 5
    for large, small in zip(*found, strict=True):
        torch.testing.assert_close(large, small, atol=1e-5, rtol=1e-3)


def test_known_duplicates_of_all_training_rows_reach_the_loss(two_tasks: dict[str, Any], quiet: Display) -> None:
    """Every positive row joins the texts of one cluster here, so none pushes another and the loss is 0."""
    path = Path(two_tasks["data"]) / "close-train.jsonl"
    rows = [{"id": f"r{n}", "a": "a good film", "b": f"rice {'on ' * n}days", "score": 5} for n in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    prepared = prepared_with(two_tasks, quiet, loss=MNRL)
    step = {"close": np.arange(6)}
    learner = FinetunedLearner(prepared.model, prepared.train, "fp32", 10_000)
    assert learner.accumulate(step, {"close": 1.0}).item() == 0.0
    learner.objectives["close"].clusters = None
    assert learner.accumulate(step, {"close": 1.0}).item() > 0.1


def test_a_frozen_encoder_under_a_loss_over_vectors_is_left_alone(two_tasks: dict[str, Any], quiet: Display) -> None:
    prepared = prepared_with(two_tasks, quiet, loss="cosent")
    learner = FrozenLearner(prepared.model, prepared.train, "fp32", 10_000)
    assert torch.isfinite(learner.accumulate({"close": np.arange(12)}, {"close": 1.0})).all()
    assert all(parameter.grad is None for parameter in prepared.model.parameters())
