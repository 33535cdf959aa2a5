"""Runs killed at moments that nobody chose, and files in which a disk has flipped a bit: the same bits in the end."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import minbert, started, wait_for
from run_bits import bits, flip

WORDS = ["--set", "training.epochs=8", "--set", "training.checkpoint_minutes=1e-9"]
"""A run with a checkpoint after each step, however short it was."""


def killed(recipe: Path, out: Path, seconds: float) -> None:
    """Kill a run so long after it has begun to write."""
    with started("train", recipe, *WORDS, "--out", out, "--resume") as process:
        wait_for(out / "recipe.yaml")
        time.sleep(seconds)
        process.process.kill()  # which may have ended by itself


def test_random_kills_lose_nothing(two_tasks_file: Path, tmp_path: Path, all_crash_points: bool) -> None:
    """Each run is killed twice where all is tried, the second time while it goes on from the first."""
    whole = tmp_path / "runs/mine"
    started_at = time.monotonic()
    assert minbert("train", two_tasks_file, *WORDS, "--out", whole).returncode == 0
    seconds = time.monotonic() - started_at
    expected = bits(whole)
    shutil.rmtree(whole)
    moments = random.Random(7)
    for _ in range(10 if all_crash_points else 1):
        for _ in range(2 if all_crash_points else 1):
            killed(two_tasks_file, whole, seconds * moments.random())
        again = minbert("train", two_tasks_file, *WORDS, "--out", whole, "--resume")
        assert again.returncode == 0, again.stderr
        assert bits(whole) == expected
        shutil.rmtree(whole)


@pytest.fixture
def stopped(two_tasks_file: Path, tmp_path: Path) -> Iterator[tuple[Path, dict[str, object]]]:
    """A run that was killed before its end, and the bits that it is to have there."""
    out = tmp_path / "runs/mine"
    assert minbert("train", two_tasks_file, *WORDS, "--out", out).returncode == 0
    expected = bits(out)
    for name in ("metrics.json", "checksums.sha256"):
        (out / name).unlink()
    yield out, expected


def test_any_flipped_bit_of_the_newest_checkpoint_is_told_and_the_one_before_is_used(
    stopped: tuple[Path, dict[str, object]], two_tasks_file: Path, tmp_path: Path, all_crash_points: bool
) -> None:
    out, expected = stopped
    shutil.copytree(out, tmp_path / "kept")
    newest = max((out / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    places = random.Random(7)
    for _ in range(60 if all_crash_points else 2):
        flip(newest, places.randrange(newest.stat().st_size), places.randrange(8))
        again = minbert("train", two_tasks_file, *WORDS, "--out", out, "--resume")
        assert again.returncode == 0, again.stderr
        [line] = [line for line in again.stdout.splitlines() if newest.name in line]
        assert "is damaged" in line and "the one before it is used" in line
        assert bits(out) == expected
        shutil.rmtree(out)
        shutil.copytree(tmp_path / "kept", out)
