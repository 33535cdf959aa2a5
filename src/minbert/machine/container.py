"""What a container lets this process use: cores and memory, as Linux's control groups (both versions) say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_MACHINE_MEMORY = Path("/proc/meminfo")


def usable_cores() -> int:
    """Return how many threads can run at once: those this process may use, fewer where a quota says so.

    A quota of one and a half cores is one thread: a second one would be stopped for half of the time, and the first
    would wait for it.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *(int(quota) for quota in _quotas())]))


def follow_quota() -> int:
    """Let torch have no more threads than ``usable_cores``; return how many it has.

    Torch sees the processors but no quota. With more threads than the quota has cores, each product waits for threads
    that the kernel has stopped. Fewer threads, as ``OMP_NUM_THREADS`` asks for, stay fewer.
    """
    threads = min(torch.get_num_threads(), usable_cores())
    torch.set_num_threads(threads)
    return threads


def free_bytes() -> int | None:
    """Return how much more memory this process can have: the machine's, less where a group is limited; None if unknown.

    What the kernel keeps of files counts as free.
    """
    free = [bytes_ for bytes_ in (_machine_free(), *_group_free()) if bytes_ is not None]
    return min(free, default=None)


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and of all groups above it: version 2's, and version 1's of a kind."""
    for line in _read(_MEMBERSHIP).splitlines():
        _, kinds, path = line.split(":", 2)
        if not kinds:
            bases = [_ROOT, _ROOT / "unified"]
        elif controller in kinds.split(","):
            bases = [_ROOT / kinds]
        else:
            continue
        for base in bases:
            place = base / path.lstrip("/")
            yield from (folder for folder in (place, *place.parents) if folder.is_relative_to(base))


def _quotas() -> Iterator[float]:
    """Yield how many cores each group may use; nothing of groups without a quota."""
    for group in _groups("cpu"):
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if not quota:
            quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)


def _group_free() -> Iterator[int]:
    """Yield how much memory each limited group has left."""
    for group in _groups("memory"):
        limit = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
        used = _read(group / "memory.current") or _read(group / "memory.usage_in_bytes")
        if limit.isdecimal() and used.isdecimal():
            held = dict(line.split() for line in _read(group / "memory.stat").splitlines() if line.count(" ") == 1)
            files = held.get("total_inactive_file", held.get("inactive_file", 0))
            yield max(0, int(limit) - int(used) + int(files))


def _machine_free() -> int | None:
    for line in _read(_MACHINE_MEMORY).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _read(path: Path) -> str:
    """Return what a file of the kernel's says, or nothing where there is no such file."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
