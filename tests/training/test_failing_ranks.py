"""One rank fails, and all end soon with one message; a signal to all leaves a checkpoint; other ranks go on with it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from minbert.training.loop import TrainingLoop
from running_ranks import on_ranks

STEP = 2


@pytest.fixture
def recipe(two_tasks: dict[str, Any], tmp_path: Path) -> Path:
    two_tasks["optimizer"] = {"learning_rate": 1e-3, "epsilon": 1e-3}
    two_tasks["training"] |= {"epochs": 1, "checkpoint_minutes": 1e-9}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(two_tasks), encoding="utf-8")
    return path


def killed(rank: int, loop: TrainingLoop) -> None:
    if rank == 1 and loop.state.step == STEP:
        os.kill(os.getpid(), signal.SIGKILL)


def stopped(rank: int, loop: TrainingLoop) -> None:
    if rank == 1 and loop.state.step == STEP:
        os.kill(os.getpid(), signal.SIGSTOP)


def stopped_before_a_checkpoint(rank: int, loop: TrainingLoop) -> None:
    """Stop where the others wait for what it says, not for what it has computed."""
    if rank == 1 and loop.state.step == STEP:
        loop._checkpoint = lambda: os.kill(os.getpid(), signal.SIGSTOP)  # type: ignore[method-assign]


def raising(rank: int, loop: TrainingLoop) -> None:
    if rank == 1 and loop.state.step == STEP:
        raise ValueError("a bug on one rank")


def not_a_number(rank: int, loop: TrainingLoop) -> None:
    if rank == 1 and loop.state.step == STEP:
        with torch.no_grad():
            loop.model.head("mood").linear.bias.fill_(float("nan"))  # type: ignore[operator, union-attr]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (killed, ["at step 3", "rank 1", "killed"]),
        (stopped, ["at step 3", "rank 1", "has not answered for 2 s"]),
        (stopped_before_a_checkpoint, ["at step 3", "rank 1", "has not answered for 2 s"]),
        (raising, ["ValueError: a bug on one rank", "on rank 1 of 3, at step 3"]),
        (not_a_number, ["step 3, on rank 1", "loss of task 'mood' is nan"]),
    ],
)
def test_one_rank_fails_and_all_end_with_one_message(
    recipe: Path, tmp_path: Path, fault: Any, words: list[str]
) -> None:
    with on_ranks(["train", recipe, "--out", tmp_path / "run"], 3, tmp_path / "said", fault, seconds=2) as started:
        ended = started.ended()
    assert all(own.returncode for own in ended)
    told = [own.stderr for own in ended if words[0] in own.stderr]
    assert len(told) == 1, [own.stderr for own in ended]
    for word in words:
        assert word in told[0]
    assert not [own.stdout for own in ended[1:] if own.stdout]
