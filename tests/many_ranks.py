"""Teams of processes that share a run, as torchrun would start them, but forked from one that has imported torch."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import torch.distributed as dist

from command_line import FORKS
from minbert.machine.joining import joined


class Team:
    """``count`` ranks that wait for work."""

    def __init__(self, count: int, **environment: str) -> None:
        # The parent has the store, as torchrun's agent does: it outlives a rank that is killed.
        self.store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
        self.pipes: list[Connection] = []
        self.processes = []
        for rank in range(count):
            ours, theirs = multiprocessing.Pipe()
            process = FORKS.Process(
                target=_serve, args=(theirs, surroundings(rank, count, self.store.port, environment))
            )
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def run(self, work: Callable[..., Any], *given: Any) -> list[Any]:
        """Return what ``work``, a function of a module, returns on each rank for what is given."""
        for pipe in self.pipes:
            pipe.send((work, given))
        answers = [pipe.recv() if pipe.poll(60) else "no answer in 60 s" for pipe in self.pipes]
        failed = [f"rank {rank}: {answer}" for rank, answer in enumerate(answers) if isinstance(answer, str)]
        assert not failed, "\n".join(failed)
        return [answer[0] for answer in answers]


def surroundings(rank: int, count: int, port: int, more: dict[str, str]) -> dict[str, str]:
    """Return what the environment of a rank holds under torchrun."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    told = {"MASTER_ADDR": "localhost", "TORCHELASTIC_USE_AGENT_STORE": "True", **more}
    return {**{name: str(number) for name, number in numbers.items()}, **told}


@contextmanager
def team(count: int, **environment: str) -> Iterator[Team]:
    """Have a team of so many ranks until the block ends."""
    started = Team(count, **environment)
    try:
        yield started
    finally:
        for pipe in started.pipes:
            pipe.close()
        for process in started.processes:
            process.join(5)
            process.kill()
            process.join()


def _serve(pipe: Connection, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    with joined():
        while True:
            try:
                work, given = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send([work(*given)])
            except Exception:
                pipe.send(traceback.format_exc())
