"""The memory of this process that is its own: RssAnon. Pages of mapped files are not counted, since they can go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def peak_anonymous() -> Iterator[list[float]]:
    """Give a list that RssAnon is added to, in MB, until the body ends."""
    seen = [anonymous_mb()]
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            seen.append(anonymous_mb())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        seen.append(anonymous_mb())


def anonymous_mb() -> float:
    """Return this process's RssAnon in MB (10^6 bytes); Linux alone tells it."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit("this system does not tell RssAnon")
