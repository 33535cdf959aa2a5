"""Heads solved before training, against scikit-learn and against what anyone can see must come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor, nn

from minbert.randomness import generator
from minbert.tasks.heads import Head
from minbert.tasks.heads.features import cosine, stretched
from minbert.tasks.heads.solving import LayerRows, Problem, solve_layer
from minbert.tasks.settings import TaskSettings

ROWS, WIDTH = 160, 12
PENALTY = 3.0


def problem_of(settings: TaskSettings, labels: Tensor) -> Problem:
    task, weights = settings.as_solved(), settings.kind.label_weights(labels.double().numpy())
    return Problem(
        labels.double(),
        None if weights is None else torch.from_numpy(weights),
        lambda output, labels, weights: task.compute_loss(output, labels, weights=weights),
        task.least_squares,
        np.arange(len(labels)),
        generator(1, "test"),
    )


@pytest.fixture
def inputs() -> Tensor:
    torch.manual_seed(5)
    scales = torch.logspace(-1, 1, WIDTH, dtype=torch.float64)  # columns in units of their own, none around 0
    return (torch.randn(ROWS, WIDTH, dtype=torch.float64) + 3) * scales


def standardised(inputs: Tensor) -> Any:
    return ((inputs - inputs.mean(0)) / inputs.std(0, correction=0)).numpy()


def solved(
    settings: TaskSettings, inputs: Tensor, labels: Tensor, monkeypatch: pytest.MonkeyPatch, outputs: int = 1
) -> nn.Linear:
    """Return the layer that is solved with ``PENALTY``."""
    monkeypatch.setattr("minbert.tasks.heads.solving._best_penalty", Mock(return_value=PENALTY))
    layer = nn.Linear(inputs.shape[1], outputs).double()
    head = settings.head.build(WIDTH, settings.kind, None)
    solve_layer(layer, LayerRows(inputs, None, head.output, [], problem_of(settings, labels)))
    return layer


@pytest.mark.parametrize("rows", [8, ROWS], ids=["fewer rows than inputs", "more rows than inputs"])
def test_scores_are_solved_as_ridge_regression_does(inputs: Tensor, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = inputs[:rows]
    labels = 3 + inputs @ torch.linspace(-1, 1, WIDTH, dtype=torch.float64) / 10 + torch.randn(rows).double() / 5
    settings = TaskSettings.model_validate({"kind": "regression", "range": [0, 5]})
    layer = solved(settings, inputs, labels, monkeypatch)
    theirs = Ridge(alpha=PENALTY, solver="svd").fit(standardised(inputs), labels.numpy())
    ours = (inputs @ layer.weight.T + layer.bias).detach().squeeze(-1).numpy()
    np.testing.assert_allclose(ours, theirs.predict(standardised(inputs)), rtol=1e-9)


def test_yes_or_no_is_solved_as_logistic_regression_does(inputs: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = (inputs[:, 5] + inputs[:, 2] + torch.randn(ROWS) / 2 > inputs[:, 5].mean()).long()
    layer = solved(TaskSettings.model_validate({"kind": "binary"}), inputs, labels, monkeypatch)
    theirs = LogisticRegression(C=1 / PENALTY, tol=1e-10, max_iter=10_000).fit(standardised(inputs), labels.numpy())
    ours = (inputs @ layer.weight.T + layer.bias).detach().squeeze(-1).numpy()
    np.testing.assert_allclose(ours, theirs.decision_function(standardised(inputs)), atol=2e-5)


@pytest.mark.parametrize("class_weights", [None, "balanced"])
def test_classes_are_solved_as_softmax_regression_does(
    inputs: Tensor, class_weights: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = (inputs[:, 4] / inputs[:, 4].std()).round().long().clamp(2, 5) - 2
    task = {"kind": "classification", "classes": 4, "class_weights": class_weights}
    settings = TaskSettings.model_validate(task)
    layer = solved(settings, inputs, labels, monkeypatch, outputs=4)
    theirs = LogisticRegression(C=1 / PENALTY, class_weight=class_weights, tol=1e-10, max_iter=10_000)
    theirs.fit(standardised(inputs), labels.numpy())
    ours = (inputs @ layer.weight.T + layer.bias).softmax(-1).detach().numpy()
    np.testing.assert_allclose(ours, theirs.predict_proba(standardised(inputs)), atol=1e-5)


@pytest.mark.parametrize("pos_weight", [None, "balanced"])
def test_several_classes_a_row_are_a_logistic_regression_each(
    inputs: Tensor, pos_weight: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is a mean over classes, so each one's penalty counts as many times as there are classes."""
    labels = torch.stack([inputs[:, place] > inputs[:, place].quantile(0.7) for place in (1, 6, 9)], dim=1).long()
    labels[:20] = 1 - labels[:20]
    settings = TaskSettings.model_validate({"kind": "multilabel", "classes": 3, "pos_weight": pos_weight})
    layer = solved(settings, inputs, labels, monkeypatch, outputs=3)
    ours = (inputs @ layer.weight.T + layer.bias).detach().numpy()
    for place in range(3):
        own = labels[:, place].numpy()
        weights = {0: 1, 1: (own == 0).sum() / own.sum() if pos_weight else 1}
        theirs = LogisticRegression(C=1 / (3 * PENALTY), class_weight=weights, tol=1e-10, max_iter=10_000)
        decided = theirs.fit(standardised(inputs), own).decision_function(standardised(inputs))
        np.testing.assert_allclose(ours[:, place], decided, atol=1e-4)


def test_a_cosine_beside_the_layer_is_taken_off_before_the_layer_is_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minbert.tasks.heads.solving._best_penalty", Mock(return_value=PENALTY))
    torch.manual_seed(4)
    u, v = torch.randn(2, 60, 5, dtype=torch.float64).unbind()
    labels = torch.rand(60, dtype=torch.float64) * 5
    settings = TaskSettings.model_validate({"kind": "regression", "range": [0, 5], "pair": "bi"})
    head = settings.head.build(5, settings.kind, "bi").double()
    assert head.solve(torch.cat([u, v]), problem_of(settings, labels))
    x = standardised(torch.cat([(u - v).abs(), u * v], dim=1))
    beside = stretched(cosine(u, v), 0, 5, 0)
    theirs = beside.numpy() + Ridge(alpha=PENALTY).fit(x, (labels - beside).numpy()).predict(x)
    np.testing.assert_allclose(head.eval()(torch.cat([u, v])).logits.detach().squeeze(-1), theirs, rtol=1e-6)


def test_the_penalty_is_strong_where_inputs_say_nothing_and_weak_where_they_say_all(inputs: Tensor) -> None:
    settings = TaskSettings.model_validate({"kind": "regression", "range": [-99, 99]})

    def weight(labels: Tensor) -> float:
        layer = nn.Linear(WIDTH, 1).double()
        head = settings.head.build(WIDTH, settings.kind, None)
        solve_layer(layer, LayerRows(inputs, None, head.output, [], problem_of(settings, labels)))
        return float((layer.weight.detach() * inputs.std(0)).norm())

    told = (inputs - inputs.mean(0)) / inputs.std(0) @ torch.ones(WIDTH, dtype=torch.float64)
    assert weight(told) == pytest.approx(WIDTH**0.5, rel=0.01)
    assert weight(torch.randn(ROWS).double()) < 0.2


@pytest.mark.parametrize("name", sorted(Head.members))
@pytest.mark.parametrize("pair", [None, "bi", "joint", "both"])
def test_every_head_with_weights_is_solved_and_learns_what_is_there(name: str, pair: str | None) -> None:
    """A score that a linear layer can read off is read off by each head, single texts and pairs alike."""
    head = {"name": name, "features": ["u", "v", "u*v"]} | ({"widths": [24]} if name == "mlp" else {})
    task = {"kind": "regression", "range": [0, 4], "pair": pair, "head": head if name != "cosine" else name}
    if name == "scale_softmax":
        task["loss"] = "soft_cross_entropy"
    try:
        settings = TaskSettings.model_validate(task)
    except ValueError:
        pytest.skip("the head does not serve such a task")
    if not settings.head.has_weights or name == "cosine_linear":
        pytest.skip("it has no weights, or a cosine that they cannot take away (see above)")
    torch.manual_seed(1)
    rows = 300
    shape = {None: (rows, 8), "bi": (2 * rows, 8), "joint": (rows, 16), "both": (3 * rows, 8)}[pair]
    vectors = torch.randn(*shape)
    labels = (2 + vectors[:rows, 0]).clamp(0, 4).double()
    head = settings.head.build(8, settings.kind, settings.pair)
    assert head.solve(vectors, problem_of(settings, labels))
    answers = head.eval()(vectors).logits.squeeze(-1).detach()
    assert answers.dtype == torch.float32
    assert float(np.corrcoef(answers.numpy(), labels.numpy())[0, 1]) > 0.85
    assert float(answers.mean()) == pytest.approx(float(labels.mean()), abs=0.1)


@pytest.mark.parametrize("loss", ["cross_entropy", "coral"])
@pytest.mark.parametrize("head", ["linear", "coral", "corn"])
def test_classes_in_order_are_solved_by_their_own_likelihood(
    head: str, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the solution is, the sum of the rows' losses and the penalty has no slope left."""
    monkeypatch.setattr("minbert.tasks.heads.solving._best_penalty", Mock(return_value=PENALTY))
    torch.manual_seed(6)
    vectors = torch.randn(300, 6)
    labels = ((vectors[:, 0] + torch.randn(300) / 3) * 1.5 + 1.5).round().clamp(0, 3).double()
    task = {"kind": "ordinal", "classes": 4, "head": head, "loss": loss, "class_weights": "balanced"}
    settings = TaskSettings.model_validate(task)
    module = settings.head.build(6, settings.kind, None)
    assert module.solve(vectors, problem_of(settings, labels))
    predicted = settings.kind.predictions(module.eval()(vectors).logits.detach())
    assert settings.kind.scores(labels.numpy(), predicted)["qwk"] > 0.8

    double, problem = module.double(), problem_of(settings, labels)
    loss_of_rows = problem.loss(double(vectors.double()), problem.labels, problem.weights)
    weights = double.linear.weight * vectors.double().std(0, correction=0)
    total = len(labels) * loss_of_rows + PENALTY / 2 * weights.square().sum()
    for slope in torch.autograd.grad(total, list(double.parameters())):
        assert float(slope.abs().max()) < 1e-3


def test_a_rare_class_starts_rare_and_a_score_at_the_labels_mean() -> None:
    """Of inputs that say nothing, a head starts with the classes' shares, or with the labels' mean."""
    torch.manual_seed(8)
    noise = torch.randn(1000, WIDTH)
    labels = torch.zeros(1000).double()
    labels[:60], labels[60:200] = 2, 1
    classes = TaskSettings.model_validate({"kind": "classification", "classes": 3})
    head = classes.head.build(WIDTH, classes.kind, None)
    head.solve(noise, problem_of(classes, labels))
    shares = head.eval()(noise).logits.softmax(-1).mean(0).detach()
    np.testing.assert_allclose(shares, [0.8, 0.14, 0.06], atol=1e-4)

    score = TaskSettings.model_validate({"kind": "regression", "range": [0, 1000]})
    head = score.head.build(WIDTH, score.kind, None)
    head.solve(noise, problem_of(score, 700 + 3 * torch.randn(1000).double()))
    assert float(head.eval()(noise).logits.detach().mean()) == pytest.approx(700, abs=0.5)


def _one_text(problem: Problem) -> Problem:
    return replace(problem, texts=np.zeros(len(problem), int))


@pytest.mark.parametrize("change", [lambda problem: problem, _one_text], ids=["all texts differ", "all are one"])
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_inputs_that_stand_still_and_labels_that_are_alike_give_finite_weights(
    head: str, change: Callable[[Problem], Problem]
) -> None:
    """An encoder's input can be 1e-32 in every row: in units of its spread it would be noise with vast weights."""
    vectors = torch.randn(40, WIDTH) * torch.tensor([1e-32, 0.0, *[1.0] * (WIDTH - 2)])
    for labels, kind in (
        (torch.ones(40), {"kind": "binary"}),
        (torch.arange(40) % 2, {"kind": "binary"}),
        (torch.full((40,), 3.0), {"kind": "regression", "range": [0, 5]}),
    ):
        settings = TaskSettings.model_validate({**kind, "head": head})
        module = settings.head.build(WIDTH, settings.kind, None)
        assert module.solve(vectors, change(problem_of(settings, labels.double())))
        assert all(float(weights.detach().abs().max()) < 100 for weights in module.parameters())


def test_rows_with_the_same_text_are_held_out_together() -> None:
    texts = np.arange(30) // 3
    settings = TaskSettings.model_validate({"kind": "binary"})
    problem = problem_of(settings, torch.arange(30) % 2)
    problem = replace(problem, texts=texts)
    held = []
    for fitted, held_out in problem.folds():
        assert not set(texts[fitted]) & set(texts[held_out])
        held += held_out.tolist()
    assert sorted(held) == list(range(30))


def test_losses_that_compare_rows_leave_the_solution_to_the_kinds_own_loss() -> None:
    def solved_by(*losses: Any) -> list[str]:
        task = {"kind": "regression", "range": [0, 5], "pair": "bi", "loss": list(losses)}
        return [loss.name for loss in TaskSettings.model_validate(task).as_solved().losses]

    assert solved_by("pearson") == ["mse"]
    assert solved_by({"name": "mnrl", "threshold": 4}, "cosent") == ["mse"]
    assert solved_by("pearson", {"name": "contrastive_mse", "weight": 0}, "mse") == ["mse"]
