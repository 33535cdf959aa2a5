"""What killed processes left behind is collected, and what another process is writing is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minbert.files import atomic_path, link_or_copy, write_text
from minbert.files.folders import new_folder
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


def test_what_an_earlier_process_of_the_same_number_left_is_not_in_the_way(tmp_path: Path) -> None:
    """In a container, each start may have the same number."""
    partial_of(partial_path(tmp_path / "model") / "half", os.getpid())
    with new_folder(tmp_path / "model") as folder:
        write_text(folder / "whole", "yes")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["whole"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_link_that_an_earlier_process_of_the_same_number_left_is_not_written_through(tmp_path: Path) -> None:
    """What a killed ``link_or_copy`` leaves is another name of a file that is whole."""
    first, second, copy = (tmp_path / name for name in ("first", "second", "copy"))
    write_text(first, "first")
    write_text(second, "second")
    for write in (lambda: link_or_copy(second, copy), lambda: write_text(copy, "third")):
        partial_path(copy).hardlink_to(first)
        write()
        assert first.read_text() == "first"
    assert copy.read_text() == "third" and second.read_text() == "second"


def test_a_file_whose_name_begins_with_anothers_is_left_alone_while_it_is_written(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "page.html") as temporary:
        temporary.write_text("whole")
        write_text(tmp_path / "page", "other")
    assert (tmp_path / "page.html").read_text() == "whole"


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
