"""What killed processes left behind is collected, and what another process is writing is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minbert.files import write_text
from minbert.files.left_overs import is_left_over, partial_path, remove_left_overs
from minbert.files.outputs import is_vacant


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def partial_of(path: Path, process: int, host: str | None = None) -> Path:
    """Write half of what a process is to write at ``path``."""
    ours = partial_path(path)
    head, _, _ = ours.name.rpartition("-")
    left = ours.with_name(f"{head}-{process}.partial")
    if host is not None:
        left = left.with_name(left.name.replace(head.rpartition(".")[2], host))
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("half")
    return left


def test_what_a_killed_process_left_goes_with_the_next_writing(tmp_path: Path, dead: int) -> None:
    partial_of(tmp_path / "metrics.json", dead)
    kept = [
        partial_of(tmp_path / "metrics.json", os.getppid()),  # of a process that is at work
        partial_of(tmp_path / "other.json", dead),  # goes when that file is written
        tmp_path / ".metrics.json.bak.partial",  # not of ours
    ]
    kept[-1].write_text("")
    write_text(tmp_path / "metrics.json", "whole")
    assert {*tmp_path.iterdir()} == {tmp_path / "metrics.json", *kept}


def test_a_start_collects_what_was_left_anywhere_below(tmp_path: Path, dead: int) -> None:
    partial_of(tmp_path / "checkpoints/last-3.safetensors", dead)
    partial_of(tmp_path / "best/mood/config.json", os.getpid())  # in a container, every start may have the same number
    folder = partial_of(tmp_path / "onnx", dead)
    folder.unlink()
    partial_of(folder / "model.onnx", os.getppid())  # in a folder of a process that is no more
    long_ago = partial_of(tmp_path / "a", 1, host="0123abcd")
    os.utime(long_ago, (time.time() - 100_000,) * 2)
    kept = {
        partial_of(tmp_path / "answers/mood-dev.parquet", os.getppid()),
        partial_of(tmp_path / "b", dead, host="0123abcd"),  # of another machine, written a moment ago
    }
    remove_left_overs(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_a_folder_with_nothing_but_left_overs_is_vacant(tmp_path: Path, dead: int) -> None:
    left = partial_of(tmp_path / "recipe.yaml", dead)
    assert is_left_over(left)
    assert is_vacant(tmp_path)
    (tmp_path / "mine.partial").write_text("")
    assert not is_vacant(tmp_path)


def test_a_long_name_can_still_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 200)
    write_text(path, "whole")
    assert path.read_text() == "whole"
