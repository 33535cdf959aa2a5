"""How much memory this process holds and has needed."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch


def held_bytes(device: torch.device) -> int:
    """Return the memory that is taken now, as ``peak_bytes`` means it; where the system tells only the peak, that."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    try:
        resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return peak_bytes(device)
    return int(resident) * resource.getpagesize()


def peak_bytes(device: torch.device) -> int:
    """Return the most memory that was taken at once since the process began.

    On a GPU that is what tensors took there; on the CPU all that the process held.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
