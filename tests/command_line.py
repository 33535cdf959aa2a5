"""The command line in this process, where a fresh interpreter would take three seconds to import torch.

What is about processes themselves (a kill, a signal, a full disk, what is imported) starts ``RUN`` instead.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

from minbert.cli.main import run

RUN = [sys.executable, "-c", "from minbert.cli.main import run; run()"]
"""The command line as a process of its own."""


def minbert(*words: str | Path, stdin: str | None = None, cwd: Path | None = None) -> CompletedProcess[str]:
    """Run a command as its users do, in ``cwd``; return its exit code and what it wrote.

    An error that ``run`` lets through, which would end a process with a traceback, is raised here.
    """
    given, out, errors = (_stream(text) for text in (stdin or "", "", ""))
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


def _stream(text: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]


def started(*words: str | Path) -> subprocess.Popen[str]:
    """Start a command in a process of its own, for what would end this one."""
    command = [*RUN, *map(str, words)]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for(path: Path, lines: int = 0) -> None:
    """Wait until a process has written a file of so many lines; a busy machine may take a minute to import torch."""
    deadline = time.monotonic() + 300
    while not (path.exists() and (not lines or path.read_bytes().count(b"\n") >= lines)):
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def complains(result: CompletedProcess[str], *words: str) -> None:
    """Assert that a command ended with exit code 2 and one message that holds ``words``."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr, result.stderr


def press_ctrl_c() -> None:
    """Send this process SIGINT if somebody waits for it; else it would end every test after this one."""
    assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler, "nobody waits for Ctrl-C"
    signal.raise_signal(signal.SIGINT)
