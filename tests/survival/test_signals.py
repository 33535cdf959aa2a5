"""SIGTERM and Ctrl-C at any write of any command: one message, nothing half written, and the exit code says which."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest import mock

import pytest
from commands import ANSWERING, COMMANDS, LONG, Words

from command_line import minbert, send_signal
from run_bits import bits

SIGNALS = [signal.SIGTERM, signal.SIGINT]


@contextmanager
def signalled(folder: Path, at: int, number: signal.Signals) -> Iterator[list[Path]]:
    """Send this process a signal before the rename of number ``at`` to ``folder``; give the list of all renames."""
    asked: list[Path] = []

    def signalling(function: Callable[..., None]) -> Callable[..., None]:
        def call(source: Any, target: Any) -> None:
            if Path(target).is_relative_to(folder):
                asked.append(Path(target))
                if len(asked) == at + 1:
                    send_signal(number)
            function(source, target)

        return call

    with mock.patch.multiple(os, replace=signalling(os.replace), rename=signalling(os.rename)):
        yield asked


def assert_ended(result: CompletedProcess[str], number: signal.Signals, folder: Path) -> None:
    """Assert that a signal has ended a command, and that nothing half written and no lock is left."""
    assert result.returncode == 128 + number, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    said = (result.stdout + result.stderr).splitlines()
    [line] = [line for line in said if line.startswith(("stopped", "ended by"))]
    assert line.startswith("stopped") or line == f"ended by {'Ctrl-C' if number == signal.SIGINT else 'SIGTERM'}"
    assert not [path for path in folder.rglob(".*") if path.name.endswith((".partial", ".lock"))]


@pytest.mark.parametrize("command", [command for command in (*COMMANDS, *ANSWERING) if command not in LONG])
def test_a_signal_at_any_write_leaves_nothing_half_written(
    command: Callable[[Path, Path], Words], two_tasks_file: Path, tmp_path: Path, all_crash_points: bool
) -> None:
    out = tmp_path / "disk/out"
    words = command(two_tasks_file, out)
    with signalled(out.parent, 10_000, signal.SIGTERM) as asked:
        assert minbert(*words).returncode == 0
    whole, writes = bits(out), len(asked)
    for at in range(writes) if all_crash_points else (writes // 2,):
        shutil.rmtree(out.parent)
        number = SIGNALS[(at - writes // 2) % 2]
        with signalled(out.parent, at, number):
            result = minbert(*words)
        assert_ended(result, number, out.parent)
        again = minbert(*words)
        assert again.returncode == 0, again.stderr
        assert bits(out) == whole
