"""The process of a rank, as the other ranks see it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store


class RankProcess(NamedTuple):
    """Which process a rank is, and where."""

    rank: int
    process: int
    host: str

    @classmethod
    def of(cls, rank: int, store: Store) -> RankProcess:
        """Return what ``announce`` has put into the store that all ranks meet in; waits for it."""
        return cls(rank, *json.loads(store.get(_key(rank))))

    def __str__(self) -> str:
        return f"rank {self.rank} (process {self.process} on {self.host})"

    def has_ended(self) -> bool:
        """Return whether it has ended, as far as that shows on this machine."""
        return self._state() in ("gone", "Z", "X")

    def is_stopped(self) -> bool:
        """Return whether a signal has stopped it, so that it may go on some time, as far as that shows here."""
        return self._state() in ("T", "t")

    def kill(self) -> None:
        """End it, if it is on this machine: a stopped process heeds no other signal, and its launcher would wait."""
        if self._is_here:
            with suppress(OSError):
                os.kill(self.process, signal.SIGKILL)

    @property
    def _is_here(self) -> bool:
        return self.host == socket.gethostname()

    def _state(self) -> str:
        """Return the kernel's letter for its state, ``gone`` where there is none of its number, nothing if unknown."""
        if not self._is_here or not sys.platform.startswith("linux"):
            return ""
        try:
            return Path(f"/proc/{self.process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return "gone"


def announce(rank: int, store: Store) -> None:
    """Say in the store that this process is the rank."""
    store.set(_key(rank), json.dumps([os.getpid(), socket.gethostname()]))


def _key(rank: int) -> str:
    return f"process/{rank}"
