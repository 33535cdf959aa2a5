"""Rows that lack a text: refused, or left out where the recipe says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minbert.data.examples import BadDataError, read_split
from minbert.data.task_files import TaskFiles
from minbert.errors import UserError
from minbert.schema_inference.infer import infer_folder
from minbert.tasks.kinds import Kind
from schema_inference.folders import of, table, text, write

FILES: dict[str, Any] = {"files": {"train": "a.csv"}, "text": ["a", "b"], "label": "label"}
BINARY = Kind.model_validate("binary")


def test_rows_without_a_text_are_left_out_where_the_recipe_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,label\nx,y,1\n,y,0\nx, ,\nz,z,0\n")
    with pytest.raises(BadDataError, match=r"2 rows cannot be used(.|\n)*leave them out: 'skip_empty: true'"):
        read_split(path, TaskFiles.model_validate(FILES), BINARY)
    split = read_split(path, TaskFiles.model_validate(FILES | {"skip_empty": True}), BINARY)
    assert list(split.ids) == ["1", "4"]
    assert split.left_out == f"{path}: 2 rows lack a label or a text, and the task leaves such rows out (line 3, 4)"
    path.write_text("a,b,label\n,y,0\n")
    with pytest.raises(UserError, match="'skip_empty' leaves out every row"):
        read_split(path, TaskFiles.model_validate(FILES | {"skip_empty": True}), BINARY)


def test_a_folder_whose_rows_lack_texts_is_understood(tmp_path: Path, tiny_encoder: Path) -> None:
    lacking = table({"text": lambda row: "" if row in (3, 9) else text()(row), "label": of("a", "b")}, 60)
    write(tmp_path, {"train.csv": lacking, "dev.csv": table({"text": text(60), "label": of("a", "b")}, 20)})
    [task] = infer_folder(tmp_path, str(tiny_encoder)).tasks
    assert task.findings.settings["skip_empty"] is True
    assert task.findings.reasons["skip_empty"] == "rows without a text: 2 of train"


def test_rows_that_are_left_out_tell_nothing_of_labels_and_lists_are_no_empty_texts(tmp_path: Path) -> None:
    files = TaskFiles.model_validate(FILES | {"text": "text", "skip_empty": True})
    (tmp_path / "a.csv").write_text("text,label\na,\n,\nb,\n")
    split = read_split(tmp_path / "a.csv", files, BINARY, labelled=None)
    assert (list(split.first), split.labels, split.withheld) == (["a", "b"], None, True)
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": 1}\n{"text": ["a", "b"], "label": 0}\n')
    with pytest.raises(BadDataError, match=r":2: column 'text' holds a list"):
        read_split(tmp_path / "a.jsonl", files, BINARY)


def test_an_empty_text_in_a_further_part_is_seen(tmp_path: Path, tiny_encoder: Path) -> None:
    whole = table({"text": text(), "label": of("a", "b")}, 60)
    lacking = table({"text": lambda row: "" if row == 3 else text(60)(row), "label": of("a", "b")}, 60)
    write(tmp_path, {"train-1.csv": whole, "train-2.csv": lacking})
    [task] = infer_folder(tmp_path, str(tiny_encoder)).tasks
    assert task.findings.reasons["skip_empty"] == "rows without a text: 1 of train-2.csv"
