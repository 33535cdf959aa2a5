"""A paper of one small table, and its reproduction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from minbert.display.progress import Display
from minbert.reproduction.reproduce import reproduce


@pytest.fixture
def paper(tmp_path: Path, two_tasks: dict[str, Any]) -> Path:
    """A paper of one table whose three rows, one of them run only when asked for, are recipes over two tiny tasks."""
    two_tasks["training"] = {"epochs": 1, "head_start": "random", "precision": "fp32"}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(two_tasks))
    (tmp_path / "cosine.yaml").write_text("extends: base.yaml\ntasks: {close: {head: cosine}}\n")
    (tmp_path / "tried.yaml").write_text("extends: base.yaml\nseed: 5\n")
    (tmp_path / "mood-alone.yaml").write_text("extends: base.yaml\nschedule: {method: {name: single, task: mood}}\n")
    path = tmp_path / "paper.yaml"
    path.write_text(
        """
title: Somebody
conditions: A large encoder.
notes: Read with care.
single_task: {mood: mood-alone.yaml}
tables:
  main:
    caption: Systems
    columns: {all: overall, mood: mood, F1: mood.macro_f1}
    baseline: base
    rows:
      base: {label: "the | baseline", recipe: base.yaml, published: {all: 0.4, mood: 0.5}}
      cosine: {label: + cosine, recipe: cosine.yaml, published: {all: 0.45}}
      tried: {label: tried, recipe: {mood: tried.yaml}, asked: true}
"""
    )
    return path


@pytest.fixture
def run(paper: Path, tmp_path: Path, quiet: Display) -> Any:
    def call(rows: Sequence[str] = (), seeds: str = "1", **more: Any) -> dict[str, Any]:
        arguments = {"overrides": {}, "settings": [], "keep_models": False, "budget": "full"} | more
        return reproduce(str(paper), rows, seeds, tmp_path / "out", display=quiet, **arguments)

    return call
