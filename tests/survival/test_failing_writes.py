"""A disk that is full, read-only or taken away at any write: one message, and what was whole stays whole."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from commands import COMMANDS, LONG, Words, train

from command_line import complains, minbert
from minbert.training.loop import TrainingLoop
from run_bits import bits

FAULTS = [errno.ENOSPC, errno.EROFS, errno.EIO]


@contextmanager
def failing(folder: Path, number: int, fault: int) -> Iterator[list[Path]]:
    """Have the rename of this ``number`` to ``folder``, and all after it, fail; give the list of all renames."""
    asked: list[Path] = []

    def failing_one(function: Callable[..., None]) -> Callable[..., None]:
        def call(source: Any, target: Any) -> None:
            if Path(target).is_relative_to(folder):
                asked.append(Path(target))
                if len(asked) > number:
                    raise OSError(fault, os.strerror(fault), str(source), None, str(target))
            function(source, target)

        return call

    with mock.patch.multiple(os, replace=failing_one(os.replace), rename=failing_one(os.rename)):
        yield asked


@pytest.mark.parametrize("command", COMMANDS)
def test_a_write_that_fails_is_one_message_and_what_was_whole_stays(
    command: Callable[[Path, Path], Words], two_tasks_file: Path, tmp_path: Path, all_crash_points: bool
) -> None:
    if command in LONG and not all_crash_points:
        pytest.skip("make crash-test")
    out = tmp_path / "disk/out"
    words = command(two_tasks_file, out)
    inputs = {run: bits(run) for run in tmp_path.glob("finished-*")}
    with failing(out.parent, 10_000, errno.ENOSPC) as asked:
        result = minbert(*words)
    assert result.returncode == 0, result.stderr
    whole, writes = bits(out), len(asked)
    for number in range(writes) if all_crash_points else (writes // 2,):
        shutil.rmtree(out, ignore_errors=True)
        fault = FAULTS[number % len(FAULTS)]
        with failing(out.parent, number, fault):
            result = minbert(*words)
        complains(result, "cannot be written", os.strerror(fault))
        assert result.stderr.count("\n") == 1
        assert not list(out.rglob("*.partial"))
        assert {run: bits(run) for run in inputs} == inputs
        again = minbert(*words)
        assert again.returncode == 0, again.stderr
        assert bits(out) == whole


@pytest.mark.parametrize("step", [1, 2])
def test_a_folder_that_is_taken_away_is_told_and_not_made_anew(
    two_tasks_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    out, away = tmp_path / "runs/mine", tmp_path / "away"
    words = train(two_tasks_file, out)
    assert minbert(*words).returncode == 0
    whole = bits(out)
    shutil.rmtree(out)
    take = TrainingLoop._step

    def step_and_lose(loop: TrainingLoop, rows: Any) -> None:
        take(loop, rows)
        if loop.state.step == step:
            out.rename(away)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_step", step_and_lose)
        complains(minbert(*words), f"{out}: was removed or renamed while this process worked in it", "--resume")
    assert not out.exists()
    away.rename(out)
    assert minbert(*words).returncode == 0
    assert bits(out) == whole
