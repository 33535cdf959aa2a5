"""A folder belongs to one process at a time, and to nobody once that process is gone."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minbert.cli.options import run_in_folder
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files.locks import BusyError, claimed, claimed_file
from minbert.files.outputs import is_vacant
from minbert.pretraining.recipe import parse_pretraining_recipe
from minbert.pretraining.run import pretrain_recipe
from minbert.recipe.recipe import parse_recipe
from minbert.reproduction.reproduce import reproduce
from minbert.running.run import train_recipe
from minbert.together.ensemble import make_ensemble
from minbert.together.soup import make_soup

HOLD = (
    "import sys; from pathlib import Path; from minbert.files.locks import claimed\n"
    "with claimed(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
)


def test_a_second_claim_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with claimed(tmp_path / "run"), pytest.raises(BusyError) as caught, claimed(tmp_path / "run"):
        pass
    told = str(caught.value)
    assert f"{tmp_path / 'run'}: another process works in it (process {os.getpid()} on {socket.gethostname()}, " in told
    assert "choose another --out" in told
    with claimed(tmp_path / "run"):
        pass


def test_what_was_made_goes_where_nothing_was_written(tmp_path: Path) -> None:
    with claimed(tmp_path / "runs/mine"):
        assert is_vacant(tmp_path / "runs/mine")
    assert not (tmp_path / "runs").exists()
    with claimed(tmp_path / "runs/mine"):
        (tmp_path / "runs/mine/recipe.yaml").write_text("tasks: {}")
    assert [path.name for path in (tmp_path / "runs/mine").iterdir()] == ["recipe.yaml"]


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        with pytest.raises(BusyError, match=f"process {process.pid} "), claimed(tmp_path / "run"):
            pass
        process.kill()
    assert (tmp_path / "run/.lock").is_file()
    assert is_vacant(tmp_path / "run")
    with claimed(tmp_path / "run"):
        assert json.loads((tmp_path / "run/.lock").read_text())["pid"] == os.getpid()


def test_a_lock_that_was_removed_while_waiting_for_it_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening the file and locking it, its owner may end and another process begin with a new file."""
    from minbert.files import locks

    opened: list[Path] = []

    def open_then_lose(path: Path) -> int:
        descriptor = open_file(path)
        if not opened:
            path.unlink()
        opened.append(path)
        return descriptor

    open_file = locks._open
    monkeypatch.setattr(locks, "_open", open_then_lose)
    with claimed(tmp_path / "run"):
        assert len(opened) == 2
        assert (tmp_path / "run/.lock").is_file()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which no file can be made")
def test_a_folder_that_is_there_and_takes_no_file_is_told() -> None:
    with (
        pytest.raises(UserError, match=r"/proc: cannot be written to \(No such file or directory\)"),
        claimed_file(Path("/proc/new")),
    ):
        pass


def test_every_work_in_a_folder_claims_it(
    two_tasks: dict[str, Any], tmp_path: Path, tiny_encoder: Path, quiet: Display
) -> None:
    recipe = parse_recipe(two_tasks, "test")
    (tmp_path / "texts.txt").write_text("the film is good\n" * 4)
    texts = {"data": str(tmp_path), "encoder": {"name": str(tiny_encoder)}, "corpora": {"mine": {"files": "texts.txt"}}}
    pretraining = parse_pretraining_recipe(texts, "test")
    out = tmp_path / "out"
    with claimed(out):
        for resume in (False, True):
            with pytest.raises(BusyError):
                train_recipe(recipe, out, resume, quiet)
            with pytest.raises(BusyError):
                pretrain_recipe(pretraining, out, resume, quiet)
        with pytest.raises(BusyError):
            make_soup([tmp_path / "a", tmp_path / "b"], out, None, quiet)
        with pytest.raises(BusyError):
            make_ensemble([tmp_path / "a", tmp_path / "b"], out, "uniform", None, quiet)
        with pytest.raises(BusyError):
            reproduce("phan", [], "1", out, "smoke", {"data": "sample"}, [], False, quiet)
        assert [path.name for path in out.iterdir()] == [".lock"]


def test_runs_that_begin_at_the_same_moment_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[str] = []

    def run(folder: Path) -> str:
        with claimed(folder):
            (folder / "recipe.yaml").touch()
            return folder.name

    def folder(resume: bool = False, holds: bool = True) -> str:
        return run_in_folder(None, "my/r.yaml", resume, lambda _: holds, told.append, run)

    with claimed(Path("runs/r")):  # has written nothing yet
        assert folder() == "r-2"
        Path("runs/r-2/recipe.yaml").unlink()
        Path("runs/r-2").rmdir()
        with pytest.raises(BusyError):
            folder(resume=True)
    assert folder() == "r"
    assert folder() == "r-2"
    assert folder(resume=True) == "r-2"
    assert folder(resume=True, holds=False) == "r-3"
    (Path("runs/r-3/recipe.yaml")).rename("runs/r-3/.recipe.yaml.123.partial")
    assert folder() == "r-3", "what a killed process has left is nothing"
    told.clear()
    assert run_in_folder(Path("mine"), "r.yaml", False, lambda _: False, told.append, run) == "mine"
    assert told == []


def test_an_unfinished_run_is_told_and_comes_before_a_finished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[str] = []

    def start(resume: bool, holds: Callable[[Path], bool] = lambda _: True) -> str:
        return run_in_folder(None, "r", resume, holds, told.append, lambda folder: folder.name)

    def damaged(folder: Path) -> bool:
        raise UserError(f"{folder}: is damaged")

    for name in ("r", "r-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "recipe.yaml").touch()
    (tmp_path / "runs/r-2/metrics.json").touch()
    assert start(resume=False) == "r-3"
    assert told == ["runs/r holds an unfinished run of this recipe; --resume goes on with it. A new one begins"]
    assert start(resume=True) == "r"
    (tmp_path / "runs/r/metrics.json").touch()
    assert start(resume=True) == "r-2"
    told.clear()
    assert start(resume=False) == "r-3"
    assert told == []
    assert start(resume=True, holds=lambda _: False) == "r-3"
    assert told == ["no run of this recipe as it is now is in runs/r, runs/r-2: a new one begins"]
    (tmp_path / "runs/r/metrics.json").unlink()
    assert start(resume=False, holds=damaged) == "r-3"
    with pytest.raises(UserError, match="is damaged"):
        start(resume=True, holds=damaged)


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_killed_before_its_first_whole_file_is_begun_anew(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, resume: bool
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / ".recipe.yaml.123456789.partial").write_text("tas")
    (out / ".lock").write_text('{"pid": 123456789}')
    two_tasks["training"] |= {"epochs": 1, "encoder": "frozen"}
    train_recipe(parse_recipe(two_tasks, "test"), out, resume, quiet)
    assert (out / "metrics.json").is_file()
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_another_recipe_is_told_by_the_keys_that_differ(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    from minbert.errors import UserError

    recipe = parse_recipe(two_tasks, "test")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/recipe.yaml").write_text(recipe.to_yaml())
    two_tasks["training"]["epochs"] = 7
    with pytest.raises(UserError, match=r"another recipe \(training\.epochs is 2 there and 7 here\)"):
        train_recipe(parse_recipe(two_tasks, "test"), tmp_path / "run", True, quiet)


def test_a_full_disk_leaves_no_traceback_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:  # noqa: ARG001
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("minbert.files.locks.os.write", full)
    with claimed(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()
