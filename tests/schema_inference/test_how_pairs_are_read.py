"""Whether the recipe for a folder reads the two texts of a pair apart or together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import Values, long, of, one, text, write

RELATION = of("entailment", "neutral", "contradiction")


ALIKE, PREMISE = ("text1", "text2"), ("premise", "hypothesis")


@pytest.mark.parametrize(
    ("headers", "labels", "rows", "pair"),
    [
        pytest.param(ALIKE, RELATION, 303, "cross", id="a relation"),
        pytest.param(ALIKE, of(0, 1, 2), 303, "cross", id="codes of a relation"),
        pytest.param(ALIKE, RELATION, 300, "bi", id="a relation of a few rows"),
        pytest.param(ALIKE, of("entailment", "not_entailment"), 303, "cross", id="one that follows or not"),
        pytest.param(PREMISE, of(1, 0), 303, "cross", id="a hypothesis that holds or not"),
        pytest.param(ALIKE, of("same", "other"), 303, "bi", id="the same or not"),
        pytest.param(ALIKE, of(1, 0), 303, "bi", id="yes or no"),
        pytest.param(PREMISE, lambda row: row / 7, 303, "bi", id="a score"),
    ],
)
def test_texts_are_read_together_where_one_may_follow_from_the_other(
    headers: tuple[str, str], labels: Callable[[int], object], rows: int, pair: str, tmp_path: Path, tiny_encoder: Path
) -> None:
    columns = dict(zip(headers, (text(), text(9)), strict=True))
    found = infer_folder(write(tmp_path, one({**columns, "label": labels}, rows)), str(tiny_encoder))
    assert found.tasks[0].findings.settings["pair"] == pair
    [task] = found.recipe().tasks.values()
    assert task.pair == pair


@pytest.mark.parametrize(
    ("other", "labels", "rows", "pair"),
    [
        pytest.param(text(3), of(1, 0), 303, "bi", id="as long"),
        pytest.param(long, of(1, 0), 303, "cross", id="a passage and a question"),
        pytest.param(long, of(1, 0), 200, "bi", id="a few rows of these"),
        pytest.param(long, lambda row: row / 7, 303, "bi", id="a score"),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_texts_of_unlike_lengths_are_read_together(
    other: Values, labels: Values, rows: int, pair: str, *, swapped: bool, tmp_path: Path, tiny_encoder: Path
) -> None:
    columns = {"text1": text(9), "text2": other} if swapped else {"text1": other, "text2": text(9)}
    found = infer_folder(write(tmp_path, one({**columns, "label": labels}, rows)), str(tiny_encoder))
    assert found.tasks[0].findings.settings["pair"] == pair
