"""``minbert ensemble`` and ``minbert soup`` as a user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from command_line import complains, minbert
from minbert.display.progress import Display
from short_runs import trained


def test_tables_folders_and_refusals(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    runs = [trained(two_tasks, tmp_path / "a/seed-1", quiet), tmp_path / "b/seed-1"]
    shutil.copytree(*runs)
    dev = json.loads((runs[0] / "metrics.json").read_text())["dev"]
    result = minbert("ensemble", *runs, "--weights", "dev", "--out", tmp_path / "both")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    (ensemble,) = [line for line in lines if line.startswith("│ ensemble")]
    for run in ("a/seed-1", "b/seed-1"):  # named by as much of their paths as tells them apart
        (line,) = [line for line in lines if run in line]
        assert line.count("(0.50)") == len(two_tasks["tasks"])
        for score in (dev["mood"]["accuracy"], dev["overall"]):
            assert f"{score:.3f}" in line and f"{score:.3f}" in ensemble
    assert "weights chosen on one half of dev" in result.stdout
    result = minbert("soup", *runs, "--out", tmp_path / "soup")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("(taken)") == 2
    assert f"minbert predict {tmp_path / 'soup'} --task mood 'One text.'" in result.stdout
    complains(minbert("ensemble", *runs, "--out", tmp_path / "both"), "not empty", "--out")
    complains(minbert("soup", runs[0], tmp_path / "both", "--out", tmp_path / "new"), "is an ensemble")
    complains(minbert("predict", tmp_path / "both", "--task", "mood", "good film"), "is an ensemble", "minbert soup")
    complains(minbert("evaluate", tmp_path / "both"), "is an ensemble", "minbert soup")


@pytest.mark.parametrize("command", ["ensemble", "soup"])
def test_help_says_what_the_runs_are(command: str) -> None:
    assert "Folders of finished runs" in minbert(command, "--help").stdout
