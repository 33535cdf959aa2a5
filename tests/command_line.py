"""The command line in this process, where a fresh interpreter would take three seconds to import torch.

What would end this process (a kill, a signal) is ``started`` in one of its own.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

from minbert.cli.main import run

# A process forked from one that has imported torch starts at once, and kills and signals meet it as any other.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["minbert.running.run", "minbert.pretraining.run", "minbert.sweeping.search", "pyarrow.parquet", "scipy.stats"]
)


def minbert(*words: str | Path, stdin: str | bytes = b"", cwd: Path | None = None) -> CompletedProcess[str]:
    """Run a command as its users do, in ``cwd``; return its exit code and what it wrote.

    An error that ``run`` lets through, which would end a process with a traceback, is raised here.
    """
    given = io.TextIOWrapper(
        io.BufferedReader(io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin)), encoding="utf-8"
    )
    out, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.multiple(sys, stdin=given, argv=["minbert", *map(str, words)]))
        stack.enter_context(mock.patch.dict(os.environ, COLUMNS="200"))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(errors))
        stack.enter_context(contextlib.chdir(cwd or Path.cwd()))
        try:
            run()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return CompletedProcess(["minbert", *map(str, words)], code, *map(_written, (out, errors)))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]


class Started:
    """A command in a process of its own, which writes to two files."""

    def __init__(self, words: Sequence[str | Path], written: list[Path]) -> None:
        self.process = FORKS.Process(target=run_command, args=([str(word) for word in words], written))
        self.written = written

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def ended(self) -> CompletedProcess[str]:
        """Wait until it has ended by itself; return its exit code and what it wrote."""
        self.process.join(300)
        assert self.process.exitcode is not None, "it does not end"
        return CompletedProcess(["minbert"], self.process.exitcode, *(path.read_text() for path in self.written))


@contextlib.contextmanager
def started(*words: str | Path) -> Iterator[Started]:
    """Start a command in a process of its own, for what would end this one; it ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        command = Started(words, [Path(folder) / name for name in ("stdout", "stderr")])
        command.process.start()
        try:
            yield command
        finally:
            command.process.kill()
            command.process.join()


def run_command(words: list[str], written: list[Path]) -> None:
    for descriptor, path in enumerate(written, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ["COLUMNS"] = "200"
    sys.argv = ["minbert", *words]
    run()


def wait_for(path: Path, lines: int = 0) -> None:
    """Wait until a process has written a file of this name, or pattern of names, of so many lines.

    A busy machine may take a minute to import torch.
    """
    deadline = time.monotonic() + 300
    while not any(not lines or found.read_bytes().count(b"\n") >= lines for found in path.parent.glob(path.name)):
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def complains(result: CompletedProcess[str], *words: str) -> None:
    """Assert that a command ended with exit code 2 and one message that holds ``words``."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr, result.stderr


def press_ctrl_c() -> None:
    """Send this process SIGINT; see ``send_signal``."""
    send_signal(signal.SIGINT)


def send_signal(number: signal.Signals) -> None:
    """Send this process a signal if somebody waits for it; else it would end every test after this one."""
    assert signal.getsignal(number) not in (signal.SIG_DFL, signal.default_int_handler), f"nobody waits for {number}"
    signal.raise_signal(number)
