"""A file examined some rows at a time is the file examined as a whole."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minbert.data import examined, row_ids
from minbert.data.check import check
from minbert.data.examined import examined_blocks
from minbert.data.examples import Split, examine_split
from minbert.data.task_files import TaskFiles
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.multilabel import Multilabel
from minbert.tasks.kinds.regression import Regression
from minbert.text import hashes

SCORES = Regression(range=(0, 5))
TOPICS = Multilabel(classes=["a", "b"])


def files(**changes: Any) -> TaskFiles:
    return TaskFiles.model_validate({"files": {"train": "rows.jsonl"}, "text": "t", "label": "l", "id": "i"} | changes)


def write(folder: Path, rows: list[Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(number: int, label: Any, **changes: Any) -> dict[str, Any]:
    return {"i": f"r{number}", "t": f"text {number // 2}", "l": label} | changes


SCORED = [row(n, n % 6) for n in range(11)]
MIXED = [*SCORED[:4], row(1, 2), "no json\n", row(20, 9), row(21, None), *SCORED[4:], row(3, 1), row(22, 1, t=" ")]
LABELLED_LATE = [*["no json\n"] * 5, *(row(n, ["a", "b"][: n % 3]) for n in range(6))]

CASES: list[tuple[list[Any], TaskFiles, Kind, bool | None]] = [
    (SCORED, files(), SCORES, True),
    (MIXED, files(), SCORES, True),
    (MIXED, files(skip_unlabelled=True), SCORES, None),
    (LABELLED_LATE, files(id=None), TOPICS, True),
    ([row(n, "") for n in range(9)], files(), SCORES, None),
    ([*["no json\n"] * 5, *({"i": f"{n}", "t": "x"} for n in range(5))], files(), SCORES, None),
    (["no json\n"] * 5, files(), TOPICS, None),
]


@pytest.mark.parametrize(("rows", "columns", "kind", "labelled"), CASES)
def test_the_size_of_blocks_changes_nothing(
    tmp_path: Path, rows: list[Any], columns: TaskFiles, kind: Kind, labelled: bool | None
) -> None:
    path = write(tmp_path, rows)
    whole = examine_split(path, columns, kind, labelled)
    for size in (1, 2, 5):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(examined, "ROWS_IN_BLOCK", size)
            cut = examine_split(path, columns, kind, labelled)
        assert cut[1] == whole[1]
        assert as_lists(cut[0]) == as_lists(whole[0])


def as_lists(split: Split) -> dict[str, Any]:
    return dataclasses.asdict(split) | {"labels": None if split.labels is None else split.labels.tolist()}


def test_the_lines_of_ids_that_come_twice_are_known_over_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examined, "ROWS_IN_BLOCK", 2)
    blocks = list(examined_blocks(write(tmp_path, MIXED), files(), SCORES))
    told = [problem.message for block in blocks for problem in block.problems]
    assert "the id 'r1' is already on line 2" in told
    assert "the id 'r3' is already on line 4" in told


@pytest.mark.parametrize("held_out", [None, "20%"])
@pytest.mark.parametrize("collide", [False, True])
def test_the_check_over_blocks_and_hashes_finds_what_the_strict_reading_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_out: str | None, collide: bool
) -> None:
    """Also where many ids share a hash."""

    def few_hashes(texts: Iterable[str]) -> hashes.Hashes:
        return np.array([[len(text), 0] for text in texts], np.uint64).reshape(-1, 2)

    path = write(tmp_path, MIXED)
    split, problems = examine_split(path, files(), SCORES)
    monkeypatch.setattr(examined, "ROWS_IN_BLOCK", 3)
    if collide:
        for module in (hashes, row_ids):
            monkeypatch.setattr(module, "text_hashes", few_hashes)
    settings = files() if held_out is None else files(held_out=held_out)
    report = check({"t": (settings, SCORES)}, tmp_path)
    parts = report.tasks[0].splits
    assert [str(problem) for problem in problems] == report.problems
    assert sum(part.rows for part in parts) == len(split)
    if not collide:  # contents have the same hashes
        repeated = len(split) - len(set(split.first))
        assert sum(part.repeated for part in parts) == repeated
