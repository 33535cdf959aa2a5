"""Rows without a label: refused with the way out, or left out and told, in whatever reads a run's files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from minbert.data.check import check
from minbert.data.check_report import render
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.running.texts import read_texts
from minbert.together.members import Member, common_rows


@pytest.fixture
def recipe(two_tasks: dict[str, Any]) -> Recipe:
    """Two tasks; the first has no label in row 3 of train and in row 2 of dev, and leaves such rows out."""
    for split, row in (("train", 3), ("dev", 2)):
        path = Path(two_tasks["data"]) / f"mood-{split}.tsv"
        lines = path.read_text().splitlines()
        lines[row] = lines[row].rpartition("\t")[0] + "\t"
        path.write_text("\n".join(lines) + "\n")
    two_tasks["tasks"]["mood"]["skip_unlabelled"] = True
    return parse_recipe(two_tasks, "here")


@pytest.fixture
def told() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def display(told: io.StringIO) -> Display:
    return Display(Console(file=told, width=300))


def test_a_run_says_which_rows_it_leaves_out(recipe: Recipe, display: Display, told: io.StringIO) -> None:
    texts = read_texts(recipe, display)
    assert (len(texts["train", "mood"]), len(texts["dev", "mood"]), len(texts["test", "mood"])) == (23, 9, 5)
    assert "mtrain2" not in texts["train", "mood"].ids
    for split, line in (("train", 4), ("dev", 3)):
        assert (
            f"mood-{split}.tsv: 1 row lacks a label or a text, and the task leaves such rows out (line {line})"
            in told.getvalue()
        )


@pytest.mark.usefixtures("recipe")
def test_the_rows_of_files_that_also_train_a_task_are_left_out_alike(
    two_tasks: dict[str, Any], display: Display
) -> None:
    two_tasks["tasks"]["mood"]["also_train_on"] = [{"file": "mood-dev.tsv"}]
    assert len(read_texts(parse_recipe(two_tasks, "here"), display)["train", "mood"]) == 23 + 9
    two_tasks["tasks"]["mood"]["also_train_on"][0]["skip_unlabelled"] = False
    with pytest.raises(UserError, match="no label in column 'label'"):
        read_texts(parse_recipe(two_tasks, "here"), display)


def test_runs_taken_together_say_it_once(recipe: Recipe, display: Display, told: io.StringIO) -> None:
    rows = common_rows([Member(Path("a"), recipe), Member(Path("b"), recipe)], "mood", "dev", None, display)
    assert rows is not None and len(rows) == 9
    assert told.getvalue().count("1 row lacks a label or a text") == 1


def test_the_check_of_data_says_it(recipe: Recipe) -> None:
    task, folder = recipe.tasks["mood"], Path(str(recipe.data))
    lines = render(check({"mood": (task, task.kind)}, folder))
    assert (
        f"    note: {folder}/mood-dev.tsv: 1 row lacks a label or a text, and the task leaves such rows out (line 3)"
        in lines
    )
    assert lines[-1] == "No problems found."
    strict = task.model_copy(update={"skip_unlabelled": False})
    lines = render(check({"mood": (strict, task.kind)}, folder))
    assert (
        lines.count(
            "    what to do: Give these rows labels, or leave them out: 'skip_unlabelled: true' beside the "
            "task's 'label'."
        )
        == 2
    )
