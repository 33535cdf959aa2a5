"""The speedrun: its runs end with a score of each task, and a record is the mean over seeds. Nothing is timed here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import speedrun
from minbert.recipe.recipe import load_recipe
from texts import FILES, write_generated


@pytest.mark.parametrize("name", speedrun.RECORDS)
def test_every_record_is_a_recipe(name: str) -> None:
    assert load_recipe("cs224n/multitask", {"data": "nowhere", **speedrun.RECORDS[name]}).tasks.keys() == FILES.keys()


def test_one_run_says_when_it_ended_and_with_which_scores(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_generated(tmp_path, 40, str(tiny_encoder), seed=1)
    words = [f"--data={tmp_path}", f"--encoder={tiny_encoder}", "--rows=32", "--seeds=2", "--threads=1"]
    monkeypatch.setattr(sys, "argv", ["speedrun.py", f"--one={next(iter(speedrun.RECORDS))}", *words])
    speedrun.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["seconds"] > 0
    assert found["scores"].keys() == FILES.keys()


def test_the_mean_over_seeds_must_reach_the_goal() -> None:
    def run(seconds: float, score: float) -> dict[str, Any]:
        return {"seconds": seconds, "scores": dict.fromkeys(FILES, score)}

    found = speedrun.row("quick", [run(10, 0.72), run(30, 0.75)])
    assert found["seconds"] == 20
    assert (found["mean"], found["reached"]) == (pytest.approx(0.735), "yes")
    assert speedrun.row("quick", [run(10, 0.72), run(30, 0.73)])["reached"] == "no"
