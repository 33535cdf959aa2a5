"""A test file whose labels are all empty or -1, as GLUE's are: its labels are withheld, and the run says so."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from minbert.data.examples import BadDataError
from minbert.display.console import terminal
from minbert.display.progress import Display
from minbert.recipe.recipe import parse_recipe
from minbert.running.texts import read_texts


def read(two_tasks: dict[str, Any], labels: list[str], split: str = "test") -> tuple[Any, str]:
    """Return the rows of mood's ``split`` with these labels, and what is told."""
    path = Path(two_tasks["data"]) / f"mood-{split}.tsv"
    rows = "".join(f"r{number}\tgood film\t{label}\n" for number, label in enumerate(labels))
    path.write_text(f"id\ttext\tlabel\n{rows}", encoding="utf-8")
    console = terminal()
    console.file = io.StringIO()
    texts = read_texts(parse_recipe(two_tasks, "here"), Display(console))
    return texts[split, "mood"], console.file.getvalue()


@pytest.mark.parametrize("labels", [["", ""], ["-1", "-1"], ["", "-1"], ["-1.0", ""]])
@pytest.mark.parametrize("skip", [False, True])
def test_they_are_withheld(two_tasks: dict[str, Any], labels: list[str], skip: bool) -> None:
    two_tasks["tasks"]["mood"]["skip_unlabelled"] = skip
    split, told = read(two_tasks, labels)
    assert split.labels is None
    assert split.ids == ["r0", "r1"]
    assert "mood-test.tsv: every label is empty or -1, so its labels are taken as withheld" in told.replace("\n", " ")


def test_one_label_among_them_makes_the_others_faults(two_tasks: dict[str, Any]) -> None:
    with pytest.raises(BadDataError, match="label '-1' is none of"):
        read(two_tasks, ["-1", "2"])


@pytest.mark.parametrize("split", ["train", "dev"])
def test_train_and_dev_need_labels(two_tasks: dict[str, Any], split: str) -> None:
    with pytest.raises(BadDataError, match="label '-1' is none of"):
        read(two_tasks, ["-1", "-1"], split)


def test_minus_one_may_be_a_score(two_tasks: dict[str, Any]) -> None:
    two_tasks["tasks"]["mood"] |= {"kind": "regression", "range": [-1, 2]}
    del two_tasks["tasks"]["mood"]["classes"]
    split, told = read(two_tasks, ["-1", "-1"])
    assert split.labels.tolist() == [-1, -1]
    assert "withheld" not in told
