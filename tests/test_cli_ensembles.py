"""``minbert ensemble`` and ``minbert soup`` as a user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from minbert.training.display import Display
from test_cli import complains, minbert
from test_ensemble import trained


def test_tables_folders_and_refusals(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    runs = [trained(two_tasks, tmp_path / "a", quiet), tmp_path / "b"]
    shutil.copytree(*runs)
    score = json.loads((runs[0] / "metrics.json").read_text())["dev"]["mood"]["accuracy"]
    result = minbert("ensemble", *runs, "--weights", "dev", "--out", tmp_path / "both")
    assert result.returncode == 0, result.stderr
    (mood,) = [line for line in result.stdout.splitlines() if "mood" in line and "weight" in line]
    assert mood.count(f"{score:.3f}") == 3  # both members and the ensemble
    assert mood.count("(weight 0.50)") == 2
    assert "weights chosen on one half of dev" in result.stdout
    result = minbert("soup", *runs, "--out", tmp_path / "soup")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("(taken)") == 2
    assert f"minbert evaluate {tmp_path / 'soup'}" in result.stdout
    complains(minbert("ensemble", *runs, "--out", tmp_path / "both"), "not empty", "--out")
    complains(minbert("soup", runs[0], tmp_path / "both", "--out", tmp_path / "new"), "is an ensemble")


@pytest.mark.parametrize("command", ["ensemble", "soup"])
def test_help_says_what_the_runs_are(command: str) -> None:
    assert "Folders of finished runs" in minbert(command, "--help").stdout
