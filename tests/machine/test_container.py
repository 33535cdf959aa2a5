"""What a container allows: cores by quota, memory by limit, of a group and of those above it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from minbert.machine import container


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this process's group, ``slice/task``, on a machine of 8 cores and 4 GB."""
    (tmp_path / "slice/task").mkdir(parents=True)
    (tmp_path / "cgroup").write_text("5:cpu,cpuacct:/old\n4:memory:/old\n0::/slice/task\n")
    (tmp_path / "meminfo").write_text("MemTotal: 5000000 kB\nMemAvailable: 4000000 kB\n")
    monkeypatch.setattr(container, "_ROOT", tmp_path)
    monkeypatch.setattr(container, "_MEMBERSHIP", tmp_path / "cgroup")
    monkeypatch.setattr(container, "_MACHINE_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(container.os, "sched_getaffinity", lambda _: set(range(8)))
    return tmp_path / "slice/task"


@pytest.mark.parametrize(
    ("own", "above", "cores"),
    [
        (None, None, 8),
        ("max 100000", "max 100000", 8),
        ("300000 100000", None, 3),
        ("150000 100000", "max 100000", 1),
        ("20000 100000", None, 1),
        ("400000 100000", "200000 100000", 2),
        ("1600000 100000", None, 8),
        ("odd", "0 0", 8),
    ],
)
def test_cores_are_those_of_the_tightest_quota(group: Path, own: str | None, above: str | None, cores: int) -> None:
    for folder, quota in ((group, own), (group.parent, above)):
        if quota is not None:
            (folder / "cpu.max").write_text(f"{quota}\n")
    assert container.usable_cores() == cores


def test_threads_follow_the_quota_downwards_only(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    (group / "cpu.max").write_text("200000 100000\n")
    assert container.follow_quota() == 2
    (group / "cpu.max").write_text("600000 100000\n")
    assert container.follow_quota() == 4
    assert set_to == [2, 4]


def test_free_memory_is_the_machines_or_what_a_limit_leaves(group: Path) -> None:
    assert container.free_bytes() == 4_000_000 * 1024
    (group / "memory.max").write_text("max\n")
    (group.parent / "memory.max").write_text("1000\n")
    (group.parent / "memory.current").write_text("700\n")
    (group.parent / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert container.free_bytes() == 1000 - 700 + 150


def test_without_control_groups_the_machine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_ROOT", "_MEMBERSHIP", "_MACHINE_MEMORY"):
        monkeypatch.setattr(container, name, tmp_path / "nothing")
    assert container.usable_cores() >= 1
    assert container.free_bytes() is None


def test_the_first_version_of_control_groups_is_read_too(group: Path) -> None:
    cpu, memory = group.parents[1] / "cpu,cpuacct/old", group.parents[1] / "memory/old"
    cpu.mkdir(parents=True)
    memory.mkdir(parents=True)
    for folder, quota in ((cpu, "300000"), (cpu.parent, "-1")):
        (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert container.usable_cores() == 3
    (memory / "memory.limit_in_bytes").write_text("1000\n")
    (memory / "memory.usage_in_bytes").write_text("900\n")
    (memory / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 30\n")
    (memory.parent / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (memory.parent / "memory.usage_in_bytes").write_text("900\n")
    assert container.free_bytes() == 130
