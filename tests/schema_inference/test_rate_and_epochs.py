"""How fast and how long the recipe for a folder trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from laws import each
from minbert.schema_inference import schedule
from minbert.schema_inference.commented_recipe import recipe_text
from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import of, one, text, write

MOOD = {"text": text(), "label": of("glad", "sad")}


@each(("rows", "epochs"), [(24, 20), (640, 5), (1280, 3), (1290, 2), (2000, 2), (2010, 1)])
def test_more_rows_are_read_less_often(
    rows: int, epochs: int, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_LEAST_EPOCHS", ((1280, 3), (2000, 2)))
    monkeypatch.setattr(schedule, "_LEAST_STEPS", 99 if rows <= 1280 else 0)
    found = infer_folder(write(tmp_path / f"{rows}", one(MOOD, rows)), str(tiny_encoder))
    assert found.training.settings["epochs"] == epochs


@each(("narrow", "rows", "rate"), [(512, 400, 1e-4), (4, 400, 5e-5), (512, 24, 5e-5)])
def test_a_narrow_encoder_learns_faster_of_more_than_a_few_rows(
    narrow: int, rows: int, rate: float, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_NARROW", narrow)
    found = infer_folder(write(tmp_path / f"{narrow}-{rows}", one(MOOD, rows)), str(tiny_encoder))
    assert found.recipe().optimizer.learning_rate == rate
    written = recipe_text(found, tmp_path)
    assert ("optimizer:\n  # an encoder of width" in written) == (rate == 1e-4) == ("learning_rate" in written)
