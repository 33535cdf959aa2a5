"""The recipe's keys for a task's files."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from minbert.data.task_files import TaskFiles
from minbert.tasks.settings import TaskSettings


def test_a_single_text_and_a_pair() -> None:
    single = TaskFiles.model_validate({"files": {"dev": "dev.tsv"}, "text": "text", "label": "label"})
    assert (single.text_columns, single.files.by_split, single.id) == (("text",), {"dev": "dev.tsv"}, None)
    files = {"test": "test.tsv", "train": "train.tsv"}
    pair = TaskFiles.model_validate({"files": files, "text": ["a", "b"], "label": "label", "rows": "10%"})
    assert pair.text_columns == ("a", "b")
    assert list(pair.files.by_split) == ["train", "test"]
    assert TaskFiles.model_validate(pair.model_dump(mode="json")) == pair


def test_a_class_that_is_also_the_labels_keeps_the_checks_of_both() -> None:
    """Pydantic drops a validator that a class further along the bases names alike."""

    class Both(TaskFiles, TaskSettings):
        pass

    good = {"files": {"dev": "dev.tsv"}, "text": "text", "label": "label", "kind": "regression", "range": [0, 1]}
    assert Both.model_validate(good).kind.name == "regression"
    with pytest.raises(ValidationError, match="'classes' goes with"):
        Both.model_validate(good | {"classes": 3})
    with pytest.raises(ValidationError, match="must be different columns"):
        Both.model_validate(good | {"label": "text"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": {}}, "name at least one file"),
        ({"files": {"validation": "dev.tsv"}}, "validation"),
        ({"text": ["a", "a"]}, "must be different columns"),
        ({"text": "label"}, "must be different columns"),
        ({"text": ["a", "b", "c"]}, "text"),
        ({"text": ""}, "a column's name is empty"),
        ({"column": "a"}, "column"),
        ({"files": {"dev": "x" * 300}}, "is too long for that"),
        ({"files": {"dev": ""}}, "an empty text was given"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    good = {"files": {"dev": "dev.tsv"}, "text": "text", "label": "label"}
    with pytest.raises(ValidationError, match=message):
        TaskFiles.model_validate(good | changes)
