"""Cached gradients against one backward through the whole batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from minbert.display.progress import Display
from minbert.encoder.dropout import GeneratorState
from minbert.multitask.network import Span
from minbert.multitask.regularization import Passes
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import Prepared, prepare
from minbert.training.combining import StepCombination
from minbert.training.finetuned_learner import FinetunedLearner
from minbert.training.gradient_cache import _by_row, _by_side
from minbert.training.micro_batches import micro_batches
from minbert.training.reduction import Reduction
from minbert.training.shards import Shards

MNRL = {"name": "mnrl", "threshold": 4, "symmetric": True}
SMOOTH = {"name": "linear", "dropout": 0.0, "features": ["u", "v", "u*v"]}
BUDGET = 40
STEP = {"close": np.arange(12)}


@pytest.fixture(autouse=True)
def _untrained_heads_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients are right beside a head that nothing trains, too; a run would be refused."""
    monkeypatch.setattr("minbert.running.prepare.check_heads_learn", lambda *_: None)


def prepared_with(
    two_tasks: dict[str, Any], quiet: Display, dropout: float, dtype: torch.dtype = torch.float64, **settings: Any
) -> Prepared:
    two_tasks["encoder"] |= {"hidden_dropout": dropout, "attention_dropout": dropout}
    two_tasks["tasks"]["close"] |= {"head": SMOOTH | {"dropout": dropout}} | settings
    prepared = prepare(parse_recipe(two_tasks, "test"), quiet)
    prepared.model.train().to(dtype)  # in float64 what differs is more than rounding
    return prepared


def taken(prepared: Prepared) -> dict[str, Tensor]:
    named = {name: p.grad.clone() for name, p in prepared.model.named_parameters() if p.grad is not None}
    prepared.model.zero_grad(set_to_none=True)
    return named


def assert_close(left: dict[str, Tensor], right: dict[str, Tensor], share: float = 1e-6) -> None:
    """Check that gradients are equal, but for a share of the largest number of all."""
    assert left.keys() == right.keys()
    largest = max(float(tensor.abs().max()) for tensor in right.values())
    for name, tensor in right.items():
        torch.testing.assert_close(left[name], tensor, atol=share * largest, rtol=0, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize(
    ("loss", "pair"),
    [
        (MNRL, "bi"),
        ("pearson", "bi"),
        ("pearson", "cross"),
        ("pearson", "joint"),
        ("pearson", "both"),
        ("cosent", "bi"),
        ([MNRL, "mse", "contrastive_mse"], "bi"),
    ],
)
def test_without_dropout_it_is_the_gradient_of_the_whole_batch(
    two_tasks: dict[str, Any], quiet: Display, loss: Any, pair: str
) -> None:
    pooling = "pooler" if loss == "cosent" else "mean"
    prepared = prepared_with(two_tasks, quiet, 0.0, loss=loss, pair=pair, pooling=pooling)
    found, calls = [], []
    prepared.model.encoder.register_forward_hook(lambda _m, arguments, _o: calls.append(len(arguments[0].token_ids)))
    for budget in (10_000, BUDGET):
        calls.clear()
        learner = FinetunedLearner(prepared.model, prepared.train, "fp32", budget)
        losses = learner.accumulate(STEP, {"close": 0.5})
        found.append((losses, taken(prepared)))
    torch.testing.assert_close(found[1][0], found[0][0])
    assert_close(found[1][1], found[0][1])
    assert max(calls) <= BUDGET
    assert len(calls) > 5
    assert len(calls) % 2 == 0  # each chunk is read twice


def test_single_texts_that_a_loss_compares_have_the_gradient_of_the_whole_batch(
    two_tasks: dict[str, Any], quiet: Display
) -> None:
    two_tasks["tasks"]["mood"] |= {"loss": ["cross_entropy", "supervised_contrastive"], "head": {"dropout": 0.0}}
    prepared = prepared_with(two_tasks, quiet, 0.0)
    found = []
    for budget in (10_000, BUDGET):
        learner = FinetunedLearner(prepared.model, prepared.train, "fp32", budget)
        losses = learner.accumulate({"mood": np.arange(12)}, {"mood": 0.5})
        found.append((losses, taken(prepared)))
    torch.testing.assert_close(found[1][0], found[0][0])
    assert_close(found[1][1], found[0][1])


@pytest.mark.parametrize("loss", [MNRL, [MNRL, "mse"], "pearson"])
def test_with_dropout_it_is_the_gradient_of_the_whole_batch_with_the_same_masks(
    two_tasks: dict[str, Any], quiet: Display, loss: Any
) -> None:
    """The reference keeps the graphs of all chunks, whose masks it draws once, and walks them in one backward."""
    prepared = prepared_with(two_tasks, quiet, 0.1, loss=loss)
    model = prepared.model
    learner = FinetunedLearner(model, prepared.train, "fp32", BUDGET)
    shards = Shards(seed=8, step=3)
    losses = learner.accumulate(STEP, {"close": 1.0}, shards)
    found = taken(prepared)

    shards.draw("close", 0)
    sequences = prepared.train["close"].sequences
    first, second = [], []
    for [rows] in micro_batches(shards.rows(STEP, learner.lengths, 0), learner.lengths, BUDGET):
        batch = sequences.pack(sequences.of(rows.numbers))
        [vectors] = model.vectors(batch, [Span("close", len(batch))])
        first.append(vectors[: len(rows.numbers)])
        second.append(vectors[len(rows.numbers) :])
    assert len(first) > 2
    shards.draw("close", "head")
    output = model.head("close")(torch.cat(first + second))
    loss_value = learner.objectives["close"].loss(output, STEP["close"], 0.0)
    loss_value.backward()
    torch.testing.assert_close(losses, loss_value.detach().float().unsqueeze(0))
    assert_close(found, taken(prepared))


def test_other_masks_give_another_gradient(
    two_tasks: dict[str, Any], quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tests above would miss if dropout were off."""
    prepared = prepared_with(two_tasks, quiet, 0.1, loss=MNRL)
    learner = FinetunedLearner(prepared.model, prepared.train, "fp32", BUDGET)
    found = []
    for restore in (GeneratorState._restore, lambda _: None):
        monkeypatch.setattr(GeneratorState, "_restore", restore)
        learner.accumulate(STEP, {"close": 1.0})
        found.append(taken(prepared))
    with pytest.raises(AssertionError):
        assert_close(*found, share=1e-2)


def test_a_step_of_several_tasks_and_surgery(two_tasks: dict[str, Any], quiet: Display) -> None:
    two_tasks["tasks"]["mood"]["head"] = SMOOTH
    two_tasks["combination"] = "pcgrad"
    prepared = prepared_with(two_tasks, quiet, 0.0, loss=[MNRL, "mse"])
    recipe = parse_recipe(two_tasks, "test")
    step = {"mood": np.arange(6), "close": np.arange(12)}
    found = []
    for budget in (10_000, BUDGET):
        learner = FinetunedLearner(prepared.model, prepared.train, "fp32", budget)
        losses = StepCombination(recipe.combination, learner, 0, Reduction()).accumulate(step, 0)
        found.append((losses, taken(prepared)))
    torch.testing.assert_close(found[1][0], found[0][0])
    assert_close(found[1][1], found[0][1], 1e-5)


def test_regularization_of_a_cached_task(
    two_tasks: dict[str, Any], quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noise(passes: Passes, standard_deviation: float) -> Tensor:
        places = passes._batch.token_ids[:, None] * 12.9898 + passes._batch.positions[:, None] * 4.1 + torch.arange(32)
        return (places * 78.233).sin() * standard_deviation

    monkeypatch.setattr(Passes, "noise", noise)
    smart = {"name": "smart", "epsilon": 0.05, "sigma": 0.01, "step_size": 1.0, "weight": 2}
    prepared = prepared_with(two_tasks, quiet, 0.0, loss=[MNRL, "mse"], regularization=smart)
    chosen = {"close": parse_recipe(two_tasks, "test").tasks["close"].regularization}
    found, calls = [], []
    prepared.model.encoder.register_forward_hook(lambda _m, arguments, _o: calls.append(len(arguments[0].token_ids)))
    for budget in (10_000, 2 * BUDGET):
        calls.clear()
        learner = FinetunedLearner(prepared.model, prepared.train, "fp32", budget, chosen)
        losses = learner.accumulate(STEP, {"close": 0.5})
        found.append((losses, taken(prepared), learner.regularizing.report()["close"]["smart"]))
    torch.testing.assert_close(found[1][0], found[0][0])
    assert_close(found[1][1], found[0][1], 1e-5)
    assert found[1][2] == pytest.approx(found[0][2], rel=1e-3)
    assert found[0][2]["divergence"] > 1e-3
    assert max(calls) <= BUDGET  # two passes of a chunk are in memory at a time
    assert len(calls) % 4 == 0  # without a graph, clean, search, perturbed


def test_a_teacher_with_nothing_to_say_yet_changes_no_gradient(two_tasks: dict[str, Any], quiet: Display) -> None:
    prepared = prepared_with(two_tasks, quiet, 0.0, loss=[MNRL, "mse"], regularization="mbpp")
    chosen = {"close": parse_recipe(two_tasks, "test").tasks["close"].regularization}
    found = []
    for regularization in (None, chosen):
        learner = FinetunedLearner(prepared.model, prepared.train, "fp32", BUDGET, regularization)
        learner.accumulate(STEP, {"close": 1.0})
        found.append(taken(prepared))
    assert_close(found[1], found[0])


def test_a_row_over_the_budget_is_a_chunk_of_its_own(two_tasks: dict[str, Any], quiet: Display) -> None:
    prepared = prepared_with(two_tasks, quiet, 0.0, loss="pearson")
    found = []
    for budget in (10_000, 1):
        learner = FinetunedLearner(prepared.model, prepared.train, "fp32", budget)
        learner.accumulate({"close": np.arange(5)}, {"close": 1.0})
        found.append(taken(prepared))
        learner.accumulate({"close": np.arange(1)}, {"close": 1.0})  # a single row has nothing to be cut
        taken(prepared)
    assert_close(found[1], found[0])


def test_bf16(two_tasks: dict[str, Any], quiet: Display) -> None:
    prepared = prepared_with(two_tasks, quiet, 0.0, torch.float32, loss=[MNRL, "mse"], pooling="cls")
    found = []
    for budget in (10_000, BUDGET):
        FinetunedLearner(prepared.model, prepared.train, "bf16", budget).accumulate(STEP, {"close": 1.0})
        found.append(taken(prepared))
    assert_close(found[1], found[0], 0.03)


@pytest.mark.parametrize("sides", [1, 2, 3])
def test_chunks_are_joined_as_heads_expect_them(sides: int) -> None:
    chunks = [
        torch.tensor([[100.0 * side + row] for side in range(sides) for row in part])
        for part in ([0, 1], [2], [3, 4, 5])
    ]
    rows = [_by_row(chunk.view(-1, 1), sides) for chunk in chunks]
    joined = _by_side(torch.cat(rows))
    assert joined.squeeze(1).tolist() == [100.0 * side + row for side in range(sides) for row in range(6)]
    for row, chunk in zip(rows, chunks, strict=True):
        assert torch.equal(_by_side(row), chunk)
