"""Which machine this is."""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def machine_id() -> str:
    """Return what tells a running system from any other; containers on one kernel have it in common."""
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return machine_name()


def machine_name() -> str:
    """Return what people call the machine."""
    return socket.gethostname()
