"""A disk that is full, read-only or taken away at any write: one message, and what was whole stays whole."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from crashing_disk import tree_of

from command_line import complains, minbert
from minbert.training.loop import TrainingLoop
from run_bits import bits

FAULTS = [errno.ENOSPC, errno.EROFS, errno.EIO]


@contextmanager
def failing(folder: Path, number: int, fault: int) -> Iterator[list[Path]]:
    """Have the rename of this ``number`` in ``folder``, and all after it, fail; give the list of all renames."""
    replace, asked = os.replace, list[Path]()

    def call(source: Any, target: Any) -> None:
        if Path(target).is_relative_to(folder):
            asked.append(Path(target))
            if len(asked) > number:
                raise OSError(fault, os.strerror(fault), str(source), None, str(target))
        replace(source, target)

    with mock.patch.object(os, "replace", call):
        yield asked


def commands(recipe: Path, run: Path, out: Path) -> dict[str, list[str | Path]]:
    """Return commands that write, each into ``out``."""
    return {
        "train": ["train", recipe, "--set", "training.keep_best_of_tasks=true", "--out", out, "--resume"],
        "sweep": ["sweep", recipe, "--grid", "optimizer.learning_rate=1e-3", "--out", out, "--resume"],
        "report": ["report", run, "--out", out / "page.html", "--figures", out / "figures"],
        "export": ["export", run, "--to", "transformers", out],
        "ensemble": ["ensemble", run, run, "--out", out],
        "soup": ["soup", run, run, "--out", out],
        "predict": ["predict", run, "--task", "mood", "--input", recipe.parent / "data/mood-dev.tsv", "--output", out],
    }


SMALL = ["--set", "training.epochs=1", "--set", "schedule.method={name: round_robin, epoch: 2}"]


@pytest.mark.parametrize("command", ["train", "sweep", "report", "export", "ensemble", "soup"])
def test_a_write_that_fails_is_one_message_and_what_was_whole_stays(
    command: str, two_tasks_file: Path, tmp_path: Path, all_crash_points: bool
) -> None:
    run, out = tmp_path / "run", tmp_path / "disk/out"
    words = commands(two_tasks_file, run, out)[command]
    if command in ("train", "sweep"):
        words += SMALL
    else:
        assert minbert("train", two_tasks_file, *SMALL, "--out", run).returncode == 0
    before = bits(run)
    with failing(out, 10_000, errno.ENOSPC) as asked:
        result = minbert(*words)
    assert result.returncode == 0, result.stderr
    whole, writes = bits(out), len(asked)
    step = 1 if all_crash_points else max(1, writes // 3)
    for number in range(0, writes, step):
        shutil.rmtree(out)
        with failing(out, number, FAULTS[number % len(FAULTS)]) as asked:
            result = minbert(*words)
        complains(result, "cannot be written", os.strerror(FAULTS[number % len(FAULTS)]))
        assert result.stderr.count("\n") == 1
        there = tree_of(out) if out.exists() else {}
        assert not [name for name in there if name.endswith(".partial")]
        assert bits(run) == before
        if command in ("train", "sweep"):
            again = minbert(*words)
            assert again.returncode == 0, again.stderr
            assert bits(out) == whole


@pytest.mark.parametrize("step", [1, 3])
def test_a_folder_that_is_taken_away_is_told_and_not_made_anew(
    two_tasks_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    out, away = tmp_path / "runs/mine", tmp_path / "away"
    words = ["train", two_tasks_file, *SMALL, "--set", "training.evaluate_every=1", "--out", out]
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
    assert minbert(*words, "--resume").returncode == 0
    assert bits(out) == whole
