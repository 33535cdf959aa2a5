"""Every file operation of a command as the one at which the machine stops: given again, it ends at the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import COMMANDS, Words, train
from crashing_disk import disks, put, recorded, tree_of

from command_line import minbert
from minbert.files import durable
from run_bits import bits

PARTS = 4
"""So many items share the work, so that no worker of pytest has it alone."""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_command_goes_on_from_every_crash_point_to_the_same_bits(
    command: Callable[[Path, Path], Words], part: int, two_tasks_file: Path, tmp_path: Path, all_crash_points: bool
) -> None:
    if command != train and not all_crash_points:
        pytest.skip("make crash-test")
    root = tmp_path / "disk"
    root.mkdir()
    out = root / "some/where"
    words = command(two_tasks_file, out)
    with recorded(root) as operations:
        result = minbert(*words)
    assert result.returncode == 0, result.stderr
    left, whole = list(disks(operations)), bits(out)
    assert tree_of(root) in left, "something was written that does not go through files/"
    step = 1 if all_crash_points else -(-len(left) // 24)
    for number in range(step * part, len(left), step * PARTS):
        put(left[number], root)
        was_whole = bits(out) == whole
        result = minbert(*words)
        assert result.returncode == 0 or ("--resume" not in words and was_whole), result.stderr
        now = bits(out)
        others = [name for name in sorted(now.keys() | whole.keys()) if now.get(name) != whole.get(name)]
        assert not others, f"after disk {number} of {len(left)}"
    print(f"{command.__name__}: {len(operations)} operations, {len(left)} disks")


def test_where_a_file_says_that_heads_are_tuned_nothing_is_left_of_it(two_tasks_file: Path, tmp_path: Path) -> None:
    """Whoever goes on tunes no more there, and so would leave it for good."""
    root = tmp_path / "disk"
    root.mkdir()
    with recorded(root) as operations:
        assert minbert(*train(two_tasks_file, root / "out"), "--set", "training.head_epochs=1").returncode == 0
    tuned = [tree for tree in disks(operations) if "out/checkpoints/heads.safetensors" in tree]
    assert tuned
    assert not [tree for tree in tuned if "out/checkpoints/head_tuning" in tree]


def test_a_disk_that_is_not_flushed_loses_bits(
    two_tasks_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disks are such that they find what is missing: here, every flush of a folder."""
    root = tmp_path / "disk"
    root.mkdir()
    flush = durable.flush
    monkeypatch.setattr("minbert.files.flush", lambda path: None if path.is_dir() else flush(path))
    words = train(two_tasks_file, root / "out")
    with recorded(root) as operations:
        assert minbert(*words).returncode == 0
    for tree in disks(operations):
        has = {name.partition("/")[2] for name in tree}
        if "metrics.json" in has and "checksums.sha256" not in has:
            return
    pytest.fail("no disk has what is written last without what is written before it")
