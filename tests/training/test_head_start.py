"""Runs whose heads start from the probe: what step 0 says, what is kept, what a resumed run does."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from minbert.display.progress import Display
from minbert.evaluation.predicting import predict_rows
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import Prepared, make_learner, prepare
from minbert.running.run import plan_recipe, train_recipe
from minbert.training import head_start
from minbert.training.head_start import head_start_tokens, start_heads
from minbert.training.history import read_history
from minbert.training.interrupt import Interrupted
from minbert.training.learner import Learner

LINEAR = {"name": "linear", "dropout": 0.1}


@pytest.fixture
def tree(two_tasks: dict[str, Any]) -> dict[str, Any]:
    two_tasks["tasks"]["close"]["head"] = LINEAR
    two_tasks["training"]["head_start"] = "probe"
    return two_tasks


def prepared_of(tree: dict[str, Any], display: Display) -> tuple[Prepared, Learner]:
    recipe = parse_recipe(tree, "test")
    prepared = prepare(recipe, display)
    return prepared, make_learner(recipe, prepared, display)


def heads_of(tree: dict[str, Any], display: Display, seed: int) -> dict[str, torch.Tensor]:
    prepared, learner = prepared_of(tree, display)
    start_heads(learner, seed, display)
    return prepared.model.heads.state_dict()


def test_step_0_is_the_probe(tree: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    """Its scores are those of heads solved over the encoder as it was, which scikit-learn solves alike."""
    train_recipe(parse_recipe(tree, "test"), tmp_path / "run", False, quiet)
    first = read_history(tmp_path / "run")[0]
    prepared, learner = prepared_of(tree, quiet)
    start_heads(learner, parse_recipe(tree, "test").seed, quiet)
    predicted = predict_rows(prepared.model, {("dev", "mood"): prepared.dev["mood"]}, "fp32", quiet, "")
    answers = predicted["dev", "mood"]
    assert first["dev"]["mood"] == prepared.model.tasks["mood"].kind.scores(prepared.dev["mood"].known_labels, answers)

    rows = np.arange(len(prepared.train["mood"]))
    vectors = learner.training_vectors("mood", rows, Mock()).double().numpy()
    x = (vectors - vectors.mean(0)) / vectors.std(0)
    head = prepared.model.head("mood")
    logits = head.eval()(torch.from_numpy(vectors).float()).logits.detach().double()
    labels = prepared.train["mood"].known_labels
    best = min(
        float(np.abs(logits.softmax(-1).numpy() - theirs.predict_proba(x)).max())
        for theirs in (
            LogisticRegression(C=1 / (len(x) * 10 ** (half / 2)), tol=1e-10, max_iter=10_000).fit(x, labels)
            for half in range(2, -11, -1)
        )
    )
    assert best < 1e-4


@pytest.mark.parametrize("encoder", ["finetuned", "frozen"])
def test_a_run_is_never_worse_than_its_probe_and_can_keep_it(
    tree: dict[str, Any], tmp_path: Path, encoder: str
) -> None:
    """A learning rate that ruins all: the probe is kept, and the closing words say so."""
    tree["optimizer"] = {"learning_rate": 3.0, "head_learning_rate": 30.0, "warmup": 0}
    tree["training"] |= {"encoder": encoder, "select": "close"}
    tree["seed"] = 1  # with another one chance may draw better heads
    shown = io.StringIO()
    summary = train_recipe(parse_recipe(tree, "test"), tmp_path / "run", False, Display(Console(file=shown, width=500)))
    said = shown.getvalue()
    assert summary.metrics["best_step"] == 0
    assert summary.before["close"]["pearson"] == pytest.approx(summary.metrics["dev"]["close"]["pearson"])
    assert "step 0, the model before training, is kept" in said
    assert "heads solved over the vectors of" in said
    assert "vectors of 0 texts" not in said
    assert "mood, close" in said


def test_random_heads_stay_random(tree: dict[str, Any], tmp_path: Path) -> None:
    tree["training"] |= {"head_start": "random", "epochs": 1}
    shown = io.StringIO()
    train_recipe(parse_recipe(tree, "test"), tmp_path / "run", False, Display(Console(file=shown, width=500)))
    assert "heads solved" not in shown.getvalue()


def test_heads_without_weights_keep_their_start_and_nothing_is_read_for_them(two_tasks: dict[str, Any]) -> None:
    two_tasks["tasks"]["close"]["head"] = "cosine"
    shown = io.StringIO()
    display = Display(Console(file=shown, width=500))
    _, learner = prepared_of(two_tasks, display)
    read: list[str] = []
    vectors = learner.training_vectors

    def watched(task: str, *rest: Any) -> torch.Tensor:
        read.append(task)
        return vectors(task, *rest)

    learner.training_vectors = watched  # type: ignore[method-assign]
    start_heads(learner, 1, display)
    assert read == ["mood"]
    assert "heads that start as they are: close (cosine)" in shown.getvalue()


def test_the_same_seed_gives_the_same_heads_and_draws_nothing_that_training_draws_on(
    tree: dict[str, Any], quiet: Display
) -> None:
    tree["tasks"]["close"]["head"] = "mlp"
    one, again = heads_of(tree, quiet, 1), heads_of(tree, quiet, 1)
    assert all(torch.equal(one[name], again[name]) for name in one)
    other = heads_of(tree, quiet, 2)
    assert not torch.equal(one["close.layers.0.weight"], other["close.layers.0.weight"])
    prepared, learner = prepared_of(tree, quiet)
    before = torch.get_rng_state()
    encoder = {name: tensor.clone() for name, tensor in prepared.model.encoder.state_dict().items()}
    start_heads(learner, 1, quiet)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(encoder[name], tensor) for name, tensor in prepared.model.encoder.state_dict().items())


def test_a_frozen_encoder_has_the_same_heads(tree: dict[str, Any], quiet: Display) -> None:
    trained = heads_of(tree, quiet, 1)
    tree["training"]["encoder"] = "frozen"
    for name, tensor in heads_of(tree, quiet, 1).items():
        torch.testing.assert_close(tensor, trained[name], rtol=1e-3, atol=1e-4)


def test_of_many_rows_some_are_drawn(tree: dict[str, Any], quiet: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_start, "MOST_ROWS", 9)
    shown = io.StringIO()
    display = Display(Console(file=shown, width=500))
    _, learner = prepared_of(tree, quiet)
    few = head_start_tokens(learner, 1)
    start_heads(learner, 1, display)
    assert "mood (9 of 24 rows), close (9 of 24 rows)" in shown.getvalue()
    monkeypatch.undo()
    every = sum(int(rows.sequences.lengths().sum()) for rows in learner.train.values())
    assert 0 < few < head_start_tokens(learner, 1) == every


def test_a_dry_run_counts_the_reading(tree: dict[str, Any], quiet: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minbert.training.plan._trial", Mock(return_value=1.0))
    recipe = parse_recipe(tree, "test")
    _, learner = prepared_of(tree, quiet)
    with_probe = plan_recipe(recipe, quiet).seconds
    tree["training"]["head_start"] = "random"
    without = plan_recipe(parse_recipe(tree, "test"), quiet).seconds
    assert with_probe - without == pytest.approx(head_start_tokens(learner, recipe.seed) / 3)


def test_a_resumed_run_reads_nothing_again_and_ends_the_same(
    tree: dict[str, Any], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = parse_recipe(tree, "test")
    train_recipe(recipe, tmp_path / "whole", False, quiet)

    def stop(evaluation: int, best: float) -> None:  # noqa: ARG001
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        train_recipe(recipe, tmp_path / "cut", False, quiet, on_evaluation=stop)

    def refuse(*_: Any) -> None:
        raise AssertionError("the heads are solved again")

    monkeypatch.setattr("minbert.running.run.start_heads", refuse)
    train_recipe(recipe, tmp_path / "cut", True, quiet)
    lines = [[{**line, "seconds": 0} for line in read_history(tmp_path / name)] for name in ("whole", "cut")]
    assert lines[0] == lines[1]


def test_averaged_weights_start_from_the_solved_heads(tree: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    """Averages slower than the run is long stay where they began: at the probe, not at random heads."""
    tree["optimizer"] = {"learning_rate": 1e-7, "head_learning_rate": 1e-7, "ema_decay": 0.99999}
    train_recipe(parse_recipe(tree, "test"), tmp_path / "run", False, quiet)
    first, *others = read_history(tmp_path / "run")
    for line in others:
        assert line["dev"]["close"]["pearson"] == pytest.approx(first["dev"]["close"]["pearson"], abs=0.02)
