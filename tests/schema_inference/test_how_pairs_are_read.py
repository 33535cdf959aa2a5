"""Whether the recipe for a folder reads the two texts of a pair apart or together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import of, one, text, write

RELATION = of("entailment", "neutral", "contradiction")


@pytest.mark.parametrize(
    ("labels", "rows", "pair"),
    [
        pytest.param(RELATION, 303, "cross", id="a relation"),
        pytest.param(of(0, 1, 2), 303, "cross", id="codes of a relation"),
        pytest.param(RELATION, 300, "bi", id="a relation of a few rows"),
        pytest.param(of("same", "other"), 303, "bi", id="the same or not"),
        pytest.param(of(1, 0), 303, "bi", id="yes or no"),
        pytest.param(lambda row: row / 7, 303, "bi", id="a score"),
    ],
)
def test_texts_that_relate_in_one_of_several_ways_are_read_together(
    labels: Callable[[int], object], rows: int, pair: str, tmp_path: Path, tiny_encoder: Path
) -> None:
    folder = write(tmp_path, one({"premise": text(), "hypothesis": text(9), "label": labels}, rows))
    found = infer_folder(folder, str(tiny_encoder))
    assert found.tasks[0].findings.settings["pair"] == pair
    [task] = found.recipe().tasks.values()
    assert task.pair == pair
