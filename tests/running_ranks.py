"""Commands that several processes share, and what goes wrong in one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import torch.distributed as dist
from torch import Tensor

from command_line import FORKS, run_command
from many_ranks import surroundings
from minbert.training.loop import TrainingLoop


class Started:
    """A command on several ranks."""

    def __init__(
        self,
        words: list[str],
        count: int,
        folder: Path,
        fault: Callable[[int, TrainingLoop], None] | None,
        seconds: float,
    ) -> None:
        self._store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
        self.processes = []
        self._written = []
        for rank in range(count):
            environment = surroundings(rank, count, self._store.port, {"MINBERT_TIMEOUT": str(seconds)})
            written = [folder / f"{rank}.{name}" for name in ("stdout", "stderr")]
            self.processes.append(FORKS.Process(target=_run, args=(words, written, environment, rank, fault)))
            self.processes[-1].start()
            self._written.append(written)

    def send(self, number: signal.Signals) -> None:
        """Send all ranks a signal, as torchrun hands on its own."""
        for process in self.processes:
            assert process.pid is not None
            os.kill(process.pid, number)

    def ended(self, seconds: float = 60) -> list[CompletedProcess[str]]:
        """Return how the ranks have ended, all of them within so many seconds."""
        for process in self.processes:
            process.join(seconds)
        codes = [process.exitcode for process in self.processes]
        assert None not in codes, f"not all have ended: {codes}"
        return [
            CompletedProcess([], int(code or 0), *(path.read_text() if path.exists() else "" for path in written))
            for code, written in zip(codes, self._written, strict=True)
        ]


@contextmanager
def on_ranks(
    words: list[Any],
    count: int,
    folder: Path,
    fault: Callable[[int, TrainingLoop], None] | None = None,
    seconds: float = 60,
) -> Iterator[Started]:
    """Run a command on so many ranks; what they write goes into ``folder``. They end with the block.

    In each step of the training loop every rank calls ``fault`` with its number and its loop.
    """
    folder.mkdir(exist_ok=True)
    started = Started([str(word) for word in words], count, folder, fault, seconds)
    try:
        yield started
    finally:
        for process in started.processes:
            process.kill()
            process.join()


def _run(
    words: list[str],
    written: list[Path],
    environment: dict[str, str],
    rank: int,
    fault: Callable[[int, TrainingLoop], None] | None,
) -> None:
    os.environ.update(environment)
    accumulate = TrainingLoop._accumulate

    def accumulate_or_fail(loop: TrainingLoop, step: Any) -> Tensor:
        if fault is not None:
            fault(rank, loop)
        return accumulate(loop, step)

    TrainingLoop._accumulate = accumulate_or_fail  # type: ignore[method-assign]
    run_command(words, written)
